"""Transforms of pictures, each drawn once, so that two pictures can be treated alike."""

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


def apply(transforms: Sequence[Transform], picture: Pixels) -> Pixels:
    """One after the other."""
    for transform in transforms:
        picture = transform(picture)
    return picture


def rescale(factor: float, rng: np.random.Generator) -> Transform:
    """Resizes by `factor` with a kernel drawn at random."""
    return partial(_rescaled, factor=factor, kernel=_kernel(factor, rng))


def reenlarge(factor: float, rng: np.random.Generator) -> Transform:
    """Reduces to `factor` of the size and back, as an upscaled picture."""
    down, up = _kernel(factor, rng), _kernel(1 / factor, rng)
    return partial(_reenlarged, factor=factor, down=down, up=up)


def blur(rng: np.random.Generator) -> Transform:
    """Out of focus, or moved."""
    if rng.random() < 0.6:
        return partial(_gaussian, sigma=float(rng.uniform(0.4, 2.0)))
    return partial(_motion, length=int(rng.integers(3, 8)), angle=float(rng.uniform(0, 180)))


def sharpen(rng: np.random.Generator) -> Transform:
    """An unsharp mask."""
    amount, sigma = float(rng.uniform(0.3, 1.5)), float(rng.uniform(0.7, 2.0))
    return partial(_unsharp, amount=amount, sigma=sigma)


def beautify(rng: np.random.Generator) -> Transform:
    """Smooth skin with edges kept, as phones' cameras and filters do; part of it mixed in."""
    strength, share = float(rng.uniform(15, 60)), float(rng.uniform(0.4, 1.0))
    return partial(_smooth_skin, strength=strength, share=share)


def grain(rng: np.random.Generator) -> Transform:
    """Sensor noise, mostly little."""
    sigma, seed = float(np.exp(rng.uniform(np.log(0.6), np.log(11)))), int(rng.integers(2**31))
    return partial(_grain, sigma=sigma, seed=seed)


def _kernel(factor: float, rng: np.random.Generator) -> int:
    if factor < 1:
        return int(rng.choice(_REDUCING))
    return int(rng.choice(_ENLARGING, p=_ENLARGING_WEIGHTS))


def _rescaled(picture: Pixels, factor: float, kernel: int) -> Pixels:
    width, height = (max(24, round(side * factor)) for side in picture.shape[1::-1])
    return cv2.resize(picture, (width, height), interpolation=kernel).astype(np.uint8)


def _reenlarged(picture: Pixels, factor: float, down: int, up: int) -> Pixels:
    small = _rescaled(picture, factor, down)
    return cv2.resize(small, picture.shape[1::-1], interpolation=up).astype(np.uint8)


def _gaussian(picture: Pixels, sigma: float) -> Pixels:
    return cv2.GaussianBlur(picture, (0, 0), sigma).astype(np.uint8)


def _motion(picture: Pixels, length: int, angle: float) -> Pixels:
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    centre = ((length - 1) / 2, (length - 1) / 2)
    turned = cv2.warpAffine(kernel, cv2.getRotationMatrix2D(centre, angle, 1.0), (length, length))
    return cv2.filter2D(picture, -1, (turned / max(1e-3, turned.sum())).astype(np.float32)).astype(
        np.uint8
    )


def _unsharp(picture: Pixels, amount: float, sigma: float) -> Pixels:
    soft = cv2.GaussianBlur(picture, (0, 0), sigma)
    return cv2.addWeighted(picture, 1 + amount, soft, -amount, 0).astype(np.uint8)


def _smooth_skin(picture: Pixels, strength: float, share: float) -> Pixels:
    smooth = cv2.bilateralFilter(picture, 7, strength, 5)
    return cv2.addWeighted(smooth, share, picture, 1 - share, 0).astype(np.uint8)


def _grain(picture: Pixels, sigma: float, seed: int) -> Pixels:
    return noise(picture, sigma, np.random.default_rng(seed))
