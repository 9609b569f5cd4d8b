"""Gallery images: face crops, and film strips with borders in the colours of the labels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from deepfake_serving.contracts.verdict import Label
from deepfake_serving.video.decoding.pixels import Pixels

SIDE = 256
"""The side of a face's image, in pixels."""
MARGIN = 1.6
"""The same, in longer sides of the face's box."""
_BORDER, _SPACE = 4, 4
_STRIP_FRAMES = 6
_WHITE = (255, 255, 255)
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 88]

_COLOURS: dict[Label, tuple[int, int, int]] = {
    "real": (115, 158, 0),
    "suspicious": (0, 159, 230),
    "fake": (0, 94, 213),
    "no_face": (153, 153, 153),
}
"""BGR. Green, orange and vermilion of the colour-blind safe palette of Okabe and Ito (2008)."""


def face_crop(pixels: Pixels, box: Sequence[float]) -> bytes:
    """Crops a square around a face, resized to 256 pixels, as JPEG.

    Args:
        pixels: uint8 (h, w, 3) RGB.
        box: x1, y1, x2, y2 in pixels.
    """
    x1, y1, x2, y2 = box
    side = max(x2 - x1, y2 - y1, 1.0) * MARGIN
    scale = SIDE / side
    x, y = (x1 + x2 - side) / 2, (y1 + y2 - side) / 2
    crop = pixels[_clamped(y, side, pixels.shape[0]), _clamped(x, side, pixels.shape[1])]
    size = [min(SIDE, max(1, round(length * scale))) for length in crop.shape[1::-1]]
    face = cv2.cvtColor(_resized(crop, (size[0], size[1])), cv2.COLOR_RGB2BGR)
    left, top = (round(max(0.0, -start) * scale) for start in (x, y))
    left, top = min(left, SIDE - size[0]), min(top, SIDE - size[1])
    canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
    canvas[top : top + size[1], left : left + size[0]] = face
    return _jpeg(canvas)


def film_strip(frames: Sequence[tuple[Pixels, Label]]) -> bytes:
    """Draws a row of at most six evenly spaced frames, bordered in their labels' colours, as JPEG.

    Args:
        frames: At least one frame, uint8 (h, w, 3) BGR, with its label.
    """
    chosen = np.linspace(0, len(frames) - 1, min(_STRIP_FRAMES, len(frames))).round().astype(int)
    height = frames[0][0].shape[0]
    row = np.hstack([_bordered(*frames[index], height=height) for index in chosen])
    return _jpeg(row)


def _bordered(image: Pixels, label: Label, *, height: int) -> Pixels:
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    sized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    edge, flat = _BORDER, cv2.BORDER_CONSTANT
    framed = cv2.copyMakeBorder(sized, edge, edge, edge, edge, flat, value=_COLOURS[label])
    spaced = cv2.copyMakeBorder(framed, 0, 0, 0, _SPACE, flat, value=_WHITE)
    return spaced.astype(np.uint8)


def _resized(crop: Pixels, size: tuple[int, int]) -> Pixels:
    """Resizes to (width, height).

    A reduction is by a whole number first: OpenCV's averages of other areas take eight times as
    long, and every sampled face is cropped.
    """
    height, width = crop.shape[:2]
    if width < size[0]:
        return cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)
    times = max(1, min(width // size[0], height // size[1]))
    whole = crop[: height // times * times, : width // times * times]
    reduced = cv2.resize(whole, (width // times, height // times), interpolation=cv2.INTER_AREA)
    shrunk = cv2.resize(reduced, size, interpolation=cv2.INTER_LINEAR)
    return shrunk.astype(np.uint8, copy=False)


def _clamped(start: float, length: float, end: int) -> slice:
    first = min(max(0, round(start)), end - 1)
    return slice(first, max(first + 1, min(end, round(start + length))))


def _jpeg(bgr: Pixels) -> bytes:
    _, data = cv2.imencode(".jpg", bgr, _QUALITY)
    return data.tobytes()
