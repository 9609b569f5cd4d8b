"""The same way to the viewer for both pictures of a pair: size, light, grain, compression.

Drawn once and applied to both, so that nothing of it tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from deepfake_serving.training.data.degrade import h264, jpeg, noise
from model_handlers.pipeline.decode import Pixels


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to the viewer. 0 switches a step off."""

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
    lead: int = 0
    last_jpeg: int = 0

    def apply(self, picture: Pixels) -> Pixels:
        """uint8 (h, w, 3) → uint8 of `scale` times its size."""
        out = _resized(_lit(picture, self), self.scale)
        if self.blur_sigma:
            out = cv2.GaussianBlur(out, (0, 0), self.blur_sigma).astype(np.uint8)
        if self.sharpen:
            soft = cv2.GaussianBlur(out, (0, 0), 1.2)
            out = cv2.addWeighted(out, 1 + self.sharpen, soft, -self.sharpen, 0).astype(np.uint8)
        if self.noise_sigma:
            out = noise(out, self.noise_sigma, _rng(self.noise_seed))
        if self.first_jpeg:
            out = jpeg(out, self.first_jpeg)
        if self.crf:
            out = h264(out, self.crf, self.lead)
        if self.last_jpeg:
            out = jpeg(out, self.last_jpeg)
        return out


def draw_channel(face_px: float, rng: np.random.Generator) -> Channel:
    """A random way for a picture whose face has a side of `face_px` pixels.

    Faces come out at 70 to 420 px. Most carry grain, which covers what differs between cameras and
    not between real and fake; half go through H.264 as video frames, a third through JPEG.
    """

    def maybe(chance: float, low: float, high: float, off: float) -> float:
        return float(rng.uniform(low, high)) if rng.random() < chance else off

    target = float(np.exp(rng.uniform(np.log(70), np.log(420))))
    way = rng.random()
    video, photo = way < 0.5, 0.5 <= way < 0.85
    return Channel(
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
        lead=int(rng.integers(0, 3)),
        last_jpeg=int(rng.integers(35, 98)) if photo else 0,
    )


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _resized(picture: Pixels, scale: float) -> Pixels:
    if scale == 1:
        return picture
    width, height = (max(16, round(side * scale)) for side in picture.shape[1::-1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=method).astype(np.uint8)


def _lit(picture: Pixels, channel: Channel) -> Pixels:
    out = picture
    if channel.gamma != 1 or channel.contrast != 1:
        levels = np.arange(256) / 255
        curve = ((levels**channel.gamma) - 0.5) * channel.contrast + 0.5
        out = cv2.LUT(out, np.clip(curve * 255, 0, 255).astype(np.uint8)).astype(np.uint8)
    if channel.saturation != 1:
        grey = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        share = channel.saturation
        out = cv2.addWeighted(out, share, grey, 1 - share, 0).astype(np.uint8)
    return out
