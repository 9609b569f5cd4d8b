"""Degradation of a pasted face: the traces of face generators and restorers."""

from __future__ import annotations

import cv2
import numpy as np

from deepfake_serving.training.data.codecs import jpeg
from model_handlers.pipeline.decode import Pixels

_INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_LANCZOS4)


def degrade(image: Pixels, face_px: float, rng: np.random.Generator) -> Pixels:
    """Simulates a face generator's output: low resolution, and sometimes a face restorer.

    Args:
        image: uint8 (h, w, 3).
        face_px: size of its face; generators work at 48 to 180 px, whatever the image size.
    """
    out = image
    if rng.random() < 0.75:
        out = _resample(out, float(rng.uniform(48, 180)) / face_px, rng)
    if rng.random() < 0.35:
        out = _restore(out, rng)
    if rng.random() < 0.15:
        out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 1.5))).astype(np.uint8)
    if rng.random() < 0.15:
        out = jpeg(out, int(rng.integers(40, 95)))
    if rng.random() < 0.15:
        out = noise(out, float(rng.uniform(1, 6)), rng)
    return out


def _resample(image: Pixels, scale: float, rng: np.random.Generator) -> Pixels:
    if scale >= 1:
        return image
    height, width = image.shape[:2]
    small = (max(8, round(width * scale)), max(8, round(height * scale)))
    down, up = rng.choice(_INTERPOLATIONS, 2)
    reduced = cv2.resize(image, small, interpolation=int(down))
    return cv2.resize(reduced, (width, height), interpolation=int(up)).astype(np.uint8)


def _restore(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Smooths skin and sharpens edges, as face restorers do."""
    smooth = cv2.bilateralFilter(image, 5, float(rng.uniform(15, 60)), 5)
    blurred = cv2.GaussianBlur(smooth, (0, 0), float(rng.uniform(0.8, 2.0)))
    amount = float(rng.uniform(0.3, 1.5))
    return cv2.addWeighted(smooth, 1 + amount, blurred, -amount, 0).astype(np.uint8)


def noise(image: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """Adds Gaussian noise of `sigma` grey levels."""
    values = rng.standard_normal(image.shape, dtype=np.float32) * sigma
    return np.clip(image + values, 0, 255).astype(np.uint8)
