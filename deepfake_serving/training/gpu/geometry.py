"""Batched affine maps between images, and sampling through them.

A map is a tensor (n, 2, 3) that takes pixel coordinates (x, y, 1) of one image to another's. Pixel
centres lie at half-integers.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def similarity(source: Tensor, target: Tensor) -> Tensor:
    """Returns the least-squares similarity maps from points to points, both (n, k, 2).

    Umeyama 1991 without reflection, in complex numbers.
    """
    a = torch.view_as_complex(source.contiguous())
    b = torch.view_as_complex(target.contiguous())
    a_mean, b_mean = a.mean(1, keepdim=True), b.mean(1, keepdim=True)
    a, b = a - a_mean, b - b_mean
    turn = (a.conj() * b).sum(1) / (a.abs() ** 2).sum(1).clamp_min(1e-6)
    shift = b_mean[:, 0] - turn * a_mean[:, 0]
    return torch.stack(
        [
            torch.stack([turn.real, -turn.imag, shift.real], -1),
            torch.stack([turn.imag, turn.real, shift.imag], -1),
        ],
        1,
    )


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """Returns the maps that apply `inner`, then `outer`."""
    linear = outer[:, :, :2] @ inner[:, :, :2]
    shift = outer[:, :, :2] @ inner[:, :, 2:] + outer[:, :, 2:]
    return torch.cat([linear, shift], 2)


def invert(maps: Tensor) -> Tensor:
    """Returns the inverse maps."""
    (a, b, x), (c, d, y) = (row.unbind(-1) for row in maps.unbind(1))
    scale = 1 / (a * d - b * c)
    a, b, c, d = d * scale, -b * scale, -c * scale, a * scale
    return torch.stack(
        [torch.stack([a, b, -(a * x + b * y)], -1), torch.stack([c, d, -(c * x + d * y)], -1)], 1
    )


def transform(maps: Tensor, points: Tensor) -> Tensor:
    """Maps points (n, k, 2)."""
    return points @ maps[:, :, :2].transpose(1, 2) + maps[:, None, :, 2]


def crop_maps(
    boxes: Tensor, size: int, margin: Tensor, shift: Tensor, degrees: Tensor, flip: Tensor
) -> Tensor:
    """Returns the maps from crops of `size` pixels to the images of the boxes (n, 4).

    Args:
        margin: (n,), side of the crop in longer sides of the box.
        shift: (n, 2), of the crop's centre, in longer sides of the box.
        degrees: (n,), rotation of the crop.
        flip: bool (n,), mirrors the crop.
    """
    longer = (boxes[:, 2:] - boxes[:, :2]).amax(1)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + shift * longer[:, None]
    scale, angle = margin * longer / size, torch.deg2rad(degrees)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    sign = 1 - 2 * flip.to(boxes.dtype)
    linear = torch.stack(
        [torch.stack([cosine * sign, -sine], -1), torch.stack([sine * sign, cosine], -1)], 1
    )
    offset = centre[:, :, None] - linear @ torch.full_like(centre[:, :, None], size / 2)
    return torch.cat([linear, offset], 2)


def sample(images: Tensor, maps: Tensor, extents: Tensor, size: int, mode: str) -> Tensor:
    """Samples crops (n, c, size, size) from images (n, c, h, w), reflecting at their borders.

    Args:
        maps: from the crop to the image.
        extents: (n, 4), left, top, right and bottom of what may be sampled, pixels.
        mode: `bilinear` or `bicubic`.
    """
    axis = torch.arange(size, device=images.device, dtype=images.dtype) + 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    points = torch.stack([x, y], -1).view(1, -1, 2).expand(len(images), -1, -1)
    low, high = extents[:, None, :2], extents[:, None, 2:]
    span = (high - low).clamp_min(1.0)
    inside = span - ((transform(maps, points) - low) % (2 * span) - span).abs() + low
    inside = torch.minimum(torch.maximum(inside, low + 0.5), high - 0.5)
    whole = torch.tensor(images.shape[:1:-1], device=images.device, dtype=images.dtype)
    grid = (inside / whole * 2 - 1).view(len(images), size, size, 2)
    return functional.grid_sample(images, grid, mode, "border", align_corners=False)
