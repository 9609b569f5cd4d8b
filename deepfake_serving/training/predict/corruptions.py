"""Common corruptions of images before prediction: compression, scaling, blur, noise, filters.

After Hendrycks & Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions"
(arXiv:1903.12261).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from deepfake_serving.training.data.codecs import h264, jpeg
from deepfake_serving.training.data.degradation import noise
from deepfake_serving.training.data.face_regions import FaceRegion
from model_handlers.pipeline.crop import shrink
from model_handlers.pipeline.decode import Pixels

LEVELS: dict[str, tuple[float, ...]] = {
    "jpeg": (95, 75, 50, 30),
    "h264": (23, 28, 35, 40),
    "downscale": (0.75, 0.5, 0.35),
    "blur": (1, 2, 3),
    "noise": (3, 8, 15),
    "sharpen": (0.5, 1.5),
    "smooth": (25, 60),
}
"""Levels of each kind, mildest first: JPEG quality, H.264 constant rate factor, scale of the image,
sigma of a Gaussian blur in source pixels, sigma of Gaussian noise in grey levels, amount of an
unsharp mask, range of a bilateral filter in grey levels (as filters that smooth skin)."""

TITLES = {
    "jpeg": "JPEG quality",
    "h264": "H.264 CRF",
    "downscale": "image scale",
    "blur": "blur, sigma in px",
    "noise": "noise, sigma in grey levels",
    "sharpen": "sharpening, amount",
    "smooth": "smoothing of skin",
}
"""Each kind and the unit of its levels, for plots."""

_PRECEDING_FRAMES = 2
"""Frames encoded before the scored frame, which makes it a predicted one, like most of a video."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """One kind (a key of `LEVELS`) at one level."""

    kind: str
    level: float

    @property
    def variant(self) -> str:
        """The name in scores: `jpeg 50`."""
        return f"{self.kind} {self.level:g}"

    def __call__(self, region: FaceRegion) -> FaceRegion:
        """Returns a corrupted copy, with the box scaled along. Deterministic."""
        if self.kind == "downscale":
            return _downscale(region, self.level)
        pixels = _PIXEL_CORRUPTIONS[self.kind](region.pixels, self.level)
        return FaceRegion(pixels, region.box, region.frame)


def all_corruptions() -> list[Corruption]:
    """Returns every kind at every level."""
    return [Corruption(kind, level) for kind, levels in LEVELS.items() for level in levels]


def _downscale(region: FaceRegion, scale: float) -> FaceRegion:
    pixels = shrink(region.pixels, scale)
    across, down = (pixels.shape[axis] / region.pixels.shape[axis] for axis in (1, 0))
    x1, y1, x2, y2 = region.box
    return FaceRegion(pixels, (x1 * across, y1 * down, x2 * across, y2 * down), region.frame)


def _jpeg(pixels: Pixels, quality: float) -> Pixels:
    return jpeg(pixels, int(quality))


def _h264(pixels: Pixels, crf: float) -> Pixels:
    return h264(pixels, int(crf), _PRECEDING_FRAMES)


def _blur(pixels: Pixels, sigma: float) -> Pixels:
    return cv2.GaussianBlur(pixels, (0, 0), sigma).astype(np.uint8)


def _noise(pixels: Pixels, sigma: float) -> Pixels:
    """Adds noise seeded by the image alone, so that a rerun gives the same scores."""
    return noise(pixels, sigma, np.random.default_rng(zlib.crc32(pixels.tobytes())))


def _sharpen(pixels: Pixels, amount: float) -> Pixels:
    soft = cv2.GaussianBlur(pixels, (0, 0), 1.2)
    return cv2.addWeighted(pixels, 1 + amount, soft, -amount, 0).astype(np.uint8)


def _smooth(pixels: Pixels, strength: float) -> Pixels:
    return cv2.bilateralFilter(pixels, 7, strength, 5).astype(np.uint8)


_PIXEL_CORRUPTIONS: dict[str, Callable[[Pixels, float], Pixels]] = {
    "jpeg": _jpeg,
    "h264": _h264,
    "blur": _blur,
    "noise": _noise,
    "sharpen": _sharpen,
    "smooth": _smooth,
}
