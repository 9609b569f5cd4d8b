"""Face crops: upright squares of fixed size from the full-resolution image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from model_handlers.manifest import CropSpec
from model_handlers.pipeline.decode import Pixels

Indices = npt.NDArray[np.intp]

_MAX_ROLL = 20.0
"""Degrees around quarter turns within which a face is turned by those alone, which keeps detail."""
_REFLECTED_SIDE = 8
"""Largest side of a reflected square, in output sides."""


def upright_crop(image: Pixels, box: Sequence[float], roll: float, spec: CropSpec) -> Pixels:
    """Crops a face as `crop_face` does, turned upright if it leans by more than 20 degrees.

    A face near a quarter turn is turned by that alone, so its crop is that of the upright image.

    Args:
        roll: degrees, -180 to 180, that the face leans to, clockwise.

    Returns:
        uint8 (size, size, 3).
    """
    turns = round(roll / 90)
    if abs(roll - 90 * turns) <= _MAX_ROLL:
        return np.ascontiguousarray(np.rot90(crop_face(image, box, spec), turns))
    size = round(spec.size * math.sqrt(2))
    around = spec.model_copy(update={"size": size, "margin": spec.margin * size / spec.size})
    matrix = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), roll, 1.0)
    matrix[:, 2] = matrix[:, 2] - (size - spec.size) / 2
    turned = cv2.warpAffine(
        crop_face(image, box, around),
        matrix,
        (spec.size, spec.size),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return turned.astype(np.uint8, copy=False)


def square_around(box: Sequence[float], margin: float) -> tuple[int, int, int]:
    """Returns left, top and side, in pixels, of the square that `crop_face` crops."""
    x1, y1, x2, y2 = box
    side = max(2, round(max(x2 - x1, y2 - y1) * margin))
    return round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2), side


def padded_box(box: Sequence[float], padding: float) -> tuple[float, float, float, float]:
    """Moves each edge of the box outwards by `padding` pixels."""
    x1, y1, x2, y2 = box
    return x1 - padding, y1 - padding, x2 + padding, y2 + padding


def crop_face(image: Pixels, box: Sequence[float], spec: CropSpec) -> Pixels:
    """Crops a square around `box` and resizes it once.

    The square's side is `spec.margin` times the box's longer side, about the box's centre. Beyond
    the image's border it is filled by reflection or with black. For a very large square of that
    kind the image is shrunk first, so that the reflections of a long and thin image can't exhaust
    memory.

    Args:
        image: uint8 (height, width, 3).
        box: x1, y1, x2, y2 in pixels; may extend beyond the image.
        spec: margin and output size.

    Returns:
        uint8 (size, size, 3).
    """
    box = padded_box(box, spec.padding_px)
    left, top, side = square_around(box, spec.margin)
    height, width = image.shape[:2]
    inside = left >= 0 and top >= 0 and left + side <= width and top + side <= height
    if inside:
        patch = image[top : top + side, left : left + side]
    elif side > _REFLECTED_SIDE * spec.size:
        scale = _REFLECTED_SIDE * spec.size / side
        unpadded = spec.model_copy(update={"padding_px": 0})
        return crop_face(shrink(image, scale), [edge * scale for edge in box], unpadded)
    elif spec.border == "black":
        patch = _blackened_patch(image, left, top, side)
    else:
        patch = _reflected_patch(image, left, top, side)
    if side == spec.size:
        return np.ascontiguousarray(patch)
    method = cv2.INTER_AREA if side > spec.size else cv2.INTER_CUBIC
    return cv2.resize(patch, (spec.size, spec.size), interpolation=method).astype(
        np.uint8, copy=False
    )


def fit_crop(crop: Pixels, spec: CropSpec) -> Pixels:
    """Resizes a crop of any size to the network's input size, as a square about its centre."""
    height, width = crop.shape[:2]
    side = max(height, width)
    tight = CropSpec(size=spec.size, margin=1.0, border=spec.border)
    x, y = (width - side) / 2, (height - side) / 2
    return crop_face(crop, (x, y, x + side, y + side), tight)


def shrink(image: Pixels, scale: float) -> Pixels:
    """Resizes the whole image by `scale`; returns it unchanged for scales of 1 and above."""
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in (image.shape[1], image.shape[0]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(
        np.uint8, copy=False
    )


def _blackened_patch(image: Pixels, left: int, top: int, side: int) -> Pixels:
    inside = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    patch = np.zeros((side, side, 3), np.uint8)
    above, before = max(-top, 0), max(-left, 0)
    patch[above : above + inside.shape[0], before : before + inside.shape[1]] = inside
    return patch


def _reflected_patch(image: Pixels, left: int, top: int, side: int) -> Pixels:
    height, width = image.shape[:2]
    inside = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    above, before = max(-top, 0), max(-left, 0)
    below, behind = side - above - inside.shape[0], side - before - inside.shape[1]
    if max(above, below) < inside.shape[0] and max(before, behind) < inside.shape[1]:
        border = cv2.BORDER_REFLECT_101
        patch = cv2.copyMakeBorder(inside, above, below, before, behind, border)
        return patch.astype(np.uint8, copy=False)
    rows = _reflect(np.arange(top, top + side), height)
    columns = _reflect(np.arange(left, left + side), width)
    folded: Pixels = image[rows[:, None], columns[None, :]]
    return folded


def _reflect(index: Indices, size: int) -> Indices:
    """Folds indices into [0, size) by reflection without repeating the edge (dcb|abcd|cba)."""
    if size == 1:
        return np.zeros_like(index)
    period = 2 * (size - 1)
    folded: Indices = np.mod(index, period)
    return np.where(folded >= size, period - folded, folded)
