"""Image filters with separate parameters for every image of a batch.

Images are float (n, c, h, w) in 0..255; parameters are (n,), and 0 leaves an image unchanged.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def blur(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Applies a Gaussian of `sigma` pixels, truncated at `radius`."""
    n, c, h, w = images.shape
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp_min(1e-2)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(c, 0)
    flat = functional.pad(images.reshape(1, n * c, h, w), (radius,) * 4, "reflect")
    flat = functional.conv2d(flat, kernel[:, None, :, None], groups=n * c)
    flat = functional.conv2d(flat, kernel[:, None, None, :], groups=n * c)
    return flat.view(n, c, h, w)


def sharpen(images: Tensor, amount: Tensor, sigma: float = 1.2) -> Tensor:
    """Applies an unsharp mask."""
    soft = blur(images, torch.full_like(amount, sigma), 4)
    return (images + column(amount) * (images - soft)).clamp(0, 255)


def smooth_skin(images: Tensor, strength: Tensor) -> Tensor:
    """Flattens small differences and keeps edges, as beauty filters do.

    Args:
        strength: grey levels below which differences count as small.
    """
    soft = blur(images, torch.full_like(strength, 2.0), 6)
    difference = images - soft
    weight = torch.exp(-((difference / column(strength).clamp_min(1e-2)) ** 2))
    smoothed = images - weight * difference
    return torch.where(column(strength) > 0, smoothed, images)


def tone(images: Tensor, gamma: Tensor, contrast: Tensor, brightness: Tensor) -> Tensor:
    """Applies gamma, then contrast about mid-grey, then adds `brightness` grey levels."""
    levels = (images / 255).clamp(1e-4, 1) ** column(gamma)
    return (((levels - 0.5) * column(contrast) + 0.5) * 255 + column(brightness)).clamp(0, 255)


def colour(images: Tensor, saturation: Tensor, balance: Tensor) -> Tensor:
    """Scales saturation (0 is grey), then each channel by `balance` (n, 3)."""
    red, green, blue = torch.split(images, 1, 1)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    mixed = grey + column(saturation) * (images - grey)
    return (mixed * balance[:, :, None, None]).clamp(0, 255)


def noise(images: Tensor, sigma: Tensor, grain: Tensor) -> Tensor:
    """Adds Gaussian noise; `grain` (n,) in 0..1 is the part that all channels share."""
    common = torch.randn_like(images[:, :1])
    independent = torch.randn_like(images)
    share = column(grain)
    return (images + column(sigma) * (share * common + (1 - share) * independent)).clamp(0, 255)


def column(values: Tensor) -> Tensor:
    """Reshapes (n,) to broadcast over images."""
    return values.view(-1, 1, 1, 1)
