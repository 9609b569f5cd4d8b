"""A copy of an image that every browser shows, whatever the format of the file."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import numpy.typing as npt

_LONG_SIDE = 1600
"""px; enough for a page, and few hundred kilobytes."""
_QUALITY = 85


def preview(pixels: npt.NDArray[np.uint8]) -> str:
    """Returns the image, upright, at most 1600 pixels long, as the data URI of a JPEG.

    Args:
        pixels: uint8 (height, width, 3) RGB.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, _LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if scale < 1:
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii")
