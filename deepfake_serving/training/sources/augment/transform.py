"""Image transforms with parameters drawn beforehand, so that two images can share them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np

from deepfake_serving.training.data.degradation import noise
from model_handlers.pipeline.decode import Pixels

Transform = Callable[[Pixels], Pixels]

_REDUCING = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
_ENLARGING = (cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_LANCZOS4, cv2.INTER_NEAREST_EXACT)
_ENLARGING_WEIGHTS = (0.45, 0.35, 0.17, 0.03)


def apply(transforms: Sequence[Transform], image: Pixels) -> Pixels:
    """Applies the transforms in order."""
    for transform in transforms:
        image = transform(image)
    return image


def rescale(factor: float, rng: np.random.Generator) -> Transform:
    """Returns a resize by `factor` with a random interpolation."""
    return partial(_resize, factor=factor, interpolation=_interpolation(factor, rng))


def reenlarge(factor: float, rng: np.random.Generator) -> Transform:
    """Returns a reduction to `factor` of the size and enlargement back, as in upscaled images."""
    down, up = _interpolation(factor, rng), _interpolation(1 / factor, rng)
    return partial(_reduce_and_enlarge, factor=factor, down=down, up=up)


def blur(rng: np.random.Generator) -> Transform:
    """Draws defocus or motion blur."""
    if rng.random() < 0.6:
        return partial(_gaussian_blur, sigma=float(rng.uniform(0.4, 2.0)))
    return partial(_motion_blur, length=int(rng.integers(3, 8)), angle=float(rng.uniform(0, 180)))


def sharpen(rng: np.random.Generator) -> Transform:
    """Draws an unsharp mask."""
    amount, sigma = float(rng.uniform(0.3, 1.5)), float(rng.uniform(0.7, 2.0))
    return partial(_unsharp_mask, amount=amount, sigma=sigma)


def beautify(rng: np.random.Generator) -> Transform:
    """Draws an edge-preserving smoothing of skin, as phones' cameras and filters do."""
    strength, share = float(rng.uniform(15, 60)), float(rng.uniform(0.4, 1.0))
    return partial(_smooth_skin, strength=strength, share=share)


def grain(rng: np.random.Generator) -> Transform:
    """Draws sensor noise, mostly weak."""
    sigma, seed = float(np.exp(rng.uniform(np.log(0.6), np.log(11)))), int(rng.integers(2**31))
    return partial(_add_noise, sigma=sigma, seed=seed)


def _interpolation(factor: float, rng: np.random.Generator) -> int:
    if factor < 1:
        return int(rng.choice(_REDUCING))
    return int(rng.choice(_ENLARGING, p=_ENLARGING_WEIGHTS))


def _resize(image: Pixels, factor: float, interpolation: int) -> Pixels:
    width, height = (max(24, round(side * factor)) for side in image.shape[1::-1])
    return cv2.resize(image, (width, height), interpolation=interpolation).astype(np.uint8)


def _reduce_and_enlarge(image: Pixels, factor: float, down: int, up: int) -> Pixels:
    small = _resize(image, factor, down)
    return cv2.resize(small, image.shape[1::-1], interpolation=up).astype(np.uint8)


def _gaussian_blur(image: Pixels, sigma: float) -> Pixels:
    return cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8)


def _motion_blur(image: Pixels, length: int, angle: float) -> Pixels:
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    centre = ((length - 1) / 2, (length - 1) / 2)
    rotated = cv2.warpAffine(kernel, cv2.getRotationMatrix2D(centre, angle, 1.0), (length, length))
    return cv2.filter2D(image, -1, (rotated / max(1e-3, rotated.sum())).astype(np.float32)).astype(
        np.uint8
    )


def _unsharp_mask(image: Pixels, amount: float, sigma: float) -> Pixels:
    soft = cv2.GaussianBlur(image, (0, 0), sigma)
    return cv2.addWeighted(image, 1 + amount, soft, -amount, 0).astype(np.uint8)


def _smooth_skin(image: Pixels, strength: float, share: float) -> Pixels:
    smooth = cv2.bilateralFilter(image, 7, strength, 5)
    return cv2.addWeighted(smooth, share, image, 1 - share, 0).astype(np.uint8)


def _add_noise(image: Pixels, sigma: float, seed: int) -> Pixels:
    return noise(image, sigma, np.random.default_rng(seed))
