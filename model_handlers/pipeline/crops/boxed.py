"""Crops of the face's box: with its proportions on a black square, or stretched to a square.

The first as in the first prize of the Deepfake Detection Challenge (Dolhansky et al. 2020,
arXiv:2006.07397), the second as for self-blended images (Shiohara & Yamasaki 2022,
arXiv:2204.08376).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import padded_box
from model_handlers.pipeline.decode import Pixels


def boxed_crop(image: Pixels, box: Sequence[float], spec: CropSpec) -> Pixels:
    """Crops the box, each side widened by the margin, as far as the image goes.

    Args:
        box: x1, y1, x2, y2 in pixels.

    Returns:
        uint8 (size, size, 3).
    """
    x1, y1, x2, y2 = padded_box(box, spec.padding_px)
    across, down = ((high - low) * (spec.margin - 1) / 2 for low, high in ((x1, x2), (y1, y2)))
    height, width = image.shape[:2]
    left, top = max(0, round(x1 - across)), max(0, round(y1 - down))
    right, bottom = min(width, round(x2 + across)), min(height, round(y2 + down))
    patch = image[top : max(bottom, top + 1), left : max(right, left + 1)]
    return fit_box(patch, spec)


def fit_box(patch: Pixels, spec: CropSpec) -> Pixels:
    """Resizes a box's pixels to (size, size, 3), stretched or on black."""
    if spec.shape == "box":
        return centre_on_black(patch, spec.size)
    method = cv2.INTER_CUBIC if max(patch.shape[:2]) < spec.size else cv2.INTER_AREA
    stretched = cv2.resize(patch, (spec.size, spec.size), interpolation=method)
    return stretched.astype(np.uint8, copy=False)


def centre_on_black(patch: Pixels, size: int) -> Pixels:
    """Resizes an image so that its longer side is `size`, and centres it on a black square."""
    height, width = patch.shape[:2]
    scale = size / max(height, width)
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    sides = max(1, int(width * scale + 1e-6)), max(1, int(height * scale + 1e-6))
    resized = cv2.resize(patch, sides, interpolation=method)
    square = np.zeros((size, size, 3), np.uint8)
    left, top = (size - sides[0]) // 2, (size - sides[1]) // 2
    square[top : top + sides[1], left : left + sides[0]] = resized
    return square
