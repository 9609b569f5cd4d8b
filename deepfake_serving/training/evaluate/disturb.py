"""What may happen to pixels on their way to the judge: compression, fewer of them, blur, noise."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from deepfake_serving.training.data.degrade import h264, jpeg, noise
from deepfake_serving.training.material import FaceRegion
from model_handlers.pipeline.crop import shrink
from model_handlers.pipeline.decode import Pixels

LEVELS: dict[str, tuple[float, ...]] = {
    "jpeg": (95, 75, 50, 30),
    "h264": (23, 28, 35, 40),
    "downscale": (0.75, 0.5, 0.35),
    "blur": (1, 2, 3),
    "noise": (3, 8, 15),
}
"""Levels of each kind, mildest first: JPEG quality, H.264 crf, scale of the picture, sigma of a
Gaussian blur in source pixels, sigma of Gaussian noise in grey levels."""

_LEAD = 2
"""Frames before the judged one: a predicted frame, as most frames of a video are."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One kind (a key of `LEVELS`) at one level."""

    kind: str
    level: float

    @property
    def variant(self) -> str:
        """What scores call it: `jpeg 50`."""
        return f"{self.kind} {self.level:g}"

    def __call__(self, region: FaceRegion) -> FaceRegion:
        """A disturbed copy; the box follows where the picture's size changes. Repeatable."""
        if self.kind == "downscale":
            return _downscaled(region, self.level)
        pixels = _TOUCH[self.kind](region.pixels, self.level)
        return FaceRegion(pixels, region.box, region.frame)


def disturbances() -> list[Disturbance]:
    """Every kind at every level."""
    return [Disturbance(kind, level) for kind, levels in LEVELS.items() for level in levels]


def _downscaled(region: FaceRegion, scale: float) -> FaceRegion:
    pixels = shrink(region.pixels, scale)
    across, down = (pixels.shape[a] / region.pixels.shape[a] for a in (1, 0))
    x1, y1, x2, y2 = region.box
    return FaceRegion(pixels, (x1 * across, y1 * down, x2 * across, y2 * down), region.frame)


def _jpeg(pixels: Pixels, quality: float) -> Pixels:
    return jpeg(pixels, int(quality))


def _h264(pixels: Pixels, crf: float) -> Pixels:
    return h264(pixels, int(crf), _LEAD)


def _blur(pixels: Pixels, sigma: float) -> Pixels:
    return cv2.GaussianBlur(pixels, (0, 0), sigma).astype(np.uint8)


def _noise(pixels: Pixels, sigma: float) -> Pixels:
    """The grain depends on the picture alone, so that a rerun gives the same figures."""
    return noise(pixels, sigma, np.random.default_rng(zlib.crc32(pixels.tobytes())))


_TOUCH: dict[str, Callable[[Pixels, float], Pixels]] = {
    "jpeg": _jpeg,
    "h264": _h264,
    "blur": _blur,
    "noise": _noise,
}
