"""Degradation of images as in everyday use, the same for both crops of a pair.

Every image is tone-mapped, filtered, resampled, compressed once or twice and enlarged again. The
size and the order of steps are drawn for small groups of pairs, all other parameters for each pair.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor
from torch.nn import functional

from deepfake_serving.training.gpu import filters
from deepfake_serving.training.gpu.compression import h264_like, jpeg

_GROUP = 32
_MIN_SIDE_PX = 56
"""Smallest crop, pixels: a face of about 40 px."""


def degrade(pairs: Tensor) -> Tensor:
    """Degrades crops (n, 2, 3, s, s) in 0..255, both of a pair equally."""
    return torch.cat([_degrade_group(group) for group in torch.split(pairs, _GROUP)])


def _degrade_group(pairs: Tensor) -> Tensor:
    n, two, c, size, _ = pairs.shape
    draw = _PairParameters(n, pairs.device)
    images = pairs.reshape(n * two, c, size, size)
    images = filters.tone(
        images, draw(0.4, 0.7, 1.4, 1), draw(0.4, 0.75, 1.25, 1), draw(0.3, -30, 30, 0)
    )
    balance = torch.stack([draw(0.25, 0.85, 1.15, 1) for _ in range(3)], 1)
    saturation = torch.where(draw.chance(0.08), torch.zeros(()), draw(0.4, 0.5, 1.4, 1))
    images = filters.colour(images, saturation, balance)
    images = _filter(images, draw)
    side = size
    for repetition in range(2 if random.random() < 0.4 else 1):
        if random.random() < (0.7 if repetition == 0 else 0.3):
            side = min(side, int(size * (_MIN_SIDE_PX / size) ** random.random()))
        images = resize(images, side)
        if repetition == 0:
            images = filters.noise(images, draw(0.4, 0.5, 9, 0), draw(1, 0, 1, 0))
        images = _compress(images, draw)
    images = resize(images, size)
    images = filters.sharpen(images, draw(0.1, 0.3, 1.2, 0))
    images = _cover(images, draw)
    return images.clamp(0, 255).round().view(pairs.shape)


class _PairParameters:
    """Draws parameters for n pairs, each repeated for both images."""

    def __init__(self, pairs: int, device: torch.device) -> None:
        self.pairs, self.device = pairs, device

    def __call__(self, chance: float, low: float, high: float, off: float) -> Tensor:
        values = torch.empty(self.pairs, device=self.device).uniform_(low, high)
        values = values.repeat_interleave(2)
        return torch.where(self.chance(chance), values, torch.full_like(values, off))

    def chance(self, probability: float) -> Tensor:
        drawn = torch.rand(self.pairs, device=self.device) < probability
        return drawn.repeat_interleave(2)


def _filter(images: Tensor, draw: _PairParameters) -> Tensor:
    if random.random() < 0.3:
        images = filters.smooth_skin(images, draw(0.6, 6, 25, 0))
    images = filters.blur(images, draw(0.2, 0.4, 2.2, 0), 6)
    return filters.sharpen(images, draw(0.2, 0.2, 1.5, 0))


def resize(images: Tensor, side: int) -> Tensor:
    """Resamples square images to `side` pixels with a random interpolation."""
    if side == images.shape[-1]:
        return images
    mode = random.choice(["bilinear", "bicubic", "bicubic", "area"])
    if mode == "area":
        smaller = side < images.shape[-1]
        mode = "area" if smaller else "bilinear"
    if mode == "area":
        return functional.interpolate(images, size=side, mode="area")
    antialias = side < images.shape[-1] and random.random() < 0.9
    resized = functional.interpolate(
        images, size=side, mode=mode, align_corners=False, antialias=antialias
    )
    return resized.clamp(0, 255)


def _compress(images: Tensor, draw: _PairParameters) -> Tensor:
    """Compresses 45 % as JPEG and 35 % like H.264, some by both."""
    offset = (random.randrange(16), random.randrange(16))
    quality = draw(1, 25, 97, 0)
    as_jpeg = jpeg(images, quality, random.random() < 0.75, offset)
    step = torch.exp(draw(1, 0.7, 3.6, 0))
    as_video = h264_like(images, step, offset)
    images = torch.where(filters.column(draw.chance(0.45)), as_jpeg, images)
    return torch.where(filters.column(draw.chance(0.35)), as_video, images)


def _cover(images: Tensor, draw: _PairParameters) -> Tensor:
    """Covers a rectangle of some pairs with a colour, like hands, captions or logos."""
    size = images.shape[-1]
    axis = torch.arange(size, device=images.device)
    inside = []
    for _ in range(2):
        start, length = draw(1, 0, size, 0), draw(1, 0.1 * size, 0.4 * size, 0)
        inside.append((axis >= start[:, None]) & (axis < (start + length)[:, None]))
    area = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    area &= draw.chance(0.08).view(-1, 1, 1, 1)
    colour = torch.rand(draw.pairs, 3, 1, 1, device=images.device).repeat_interleave(2, 0) * 255
    return torch.where(area, colour, images)
