"""Augmentation of a pair: resizing, tone, blur, noise and compression.

Drawn once and applied to both images of a pair, so that it does not separate the classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from deepfake_serving.training.data.codecs import h264, jpeg
from deepfake_serving.training.data.degradation import noise
from model_handlers.pipeline.decode import Pixels


@dataclass(frozen=True, slots=True)
class Augmentation:
    """The parameters of one augmentation; 0 switches a step off."""

    scale: float = 1.0
    gamma: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    blur_sigma: float = 0.0
    sharpen: float = 0.0
    noise_sigma: float = 0.0
    noise_seed: int = 0
    first_jpeg: int = 0
    crf: int = 0
    preceding_frames: int = 0
    last_jpeg: int = 0

    def apply(self, image: Pixels) -> Pixels:
        """Maps uint8 (h, w, 3) to uint8 of `scale` times its size."""
        out = _resize(_adjust_tone(image, self), self.scale)
        if self.blur_sigma:
            out = cv2.GaussianBlur(out, (0, 0), self.blur_sigma).astype(np.uint8)
        if self.sharpen:
            soft = cv2.GaussianBlur(out, (0, 0), 1.2)
            out = cv2.addWeighted(out, 1 + self.sharpen, soft, -self.sharpen, 0).astype(np.uint8)
        if self.noise_sigma:
            out = noise(out, self.noise_sigma, np.random.default_rng(self.noise_seed))
        if self.first_jpeg:
            out = jpeg(out, self.first_jpeg)
        if self.crf:
            out = h264(out, self.crf, self.preceding_frames)
        if self.last_jpeg:
            out = jpeg(out, self.last_jpeg)
        return out


def draw_augmentation(face_px: float, rng: np.random.Generator) -> Augmentation:
    """Draws the augmentation of an image whose face is `face_px` pixels wide.

    Faces end up at 70 to 420 px. Most get noise, which hides differences between cameras. Half go
    through H.264 as video frames, a third through JPEG.
    """

    def maybe(chance: float, low: float, high: float, off: float) -> float:
        return float(rng.uniform(low, high)) if rng.random() < chance else off

    target = float(np.exp(rng.uniform(np.log(70), np.log(420))))
    codec = rng.random()
    video, jpeg_image = codec < 0.5, 0.5 <= codec < 0.85
    return Augmentation(
        scale=min(target / face_px, 1.25),
        gamma=maybe(0.3, 0.75, 1.3, 1.0),
        contrast=maybe(0.3, 0.8, 1.2, 1.0),
        saturation=maybe(0.3, 0.6, 1.3, 1.0) if rng.random() > 0.06 else 0.0,
        blur_sigma=maybe(0.15, 0.3, 1.2, 0.0),
        sharpen=maybe(0.15, 0.2, 1.0, 0.0),
        noise_sigma=maybe(0.6, 0.5, 10.0, 0.0),
        noise_seed=int(rng.integers(2**31)),
        first_jpeg=int(rng.integers(60, 98)) if rng.random() < 0.2 else 0,
        crf=int(rng.integers(16, 39)) if video else 0,
        preceding_frames=int(rng.integers(0, 3)),
        last_jpeg=int(rng.integers(35, 98)) if jpeg_image else 0,
    )


def _resize(image: Pixels, scale: float) -> Pixels:
    if scale == 1:
        return image
    width, height = (max(16, round(side * scale)) for side in image.shape[1::-1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, (width, height), interpolation=method).astype(np.uint8)


def _adjust_tone(image: Pixels, settings: Augmentation) -> Pixels:
    out = image
    if settings.gamma != 1 or settings.contrast != 1:
        levels = np.arange(256) / 255
        curve = ((levels**settings.gamma) - 0.5) * settings.contrast + 0.5
        out = cv2.LUT(out, np.clip(curve * 255, 0, 255).astype(np.uint8)).astype(np.uint8)
    if settings.saturation != 1:
        grey = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        saturation = settings.saturation
        out = cv2.addWeighted(out, saturation, grey, 1 - saturation, 0).astype(np.uint8)
    return out
