"""Lossy compression on tensors: JPEG, and an approximation of H.264.

JPEG: ITU-T T.81 without the lossless entropy coding, with libjpeg's quality scale. The
approximation of H.264 (ITU-T H.264) quantizes an 8x8 transform with a dead zone and flat weights
and smooths block borders like the deblocking filter; it has no prediction. Canvases contain real
H.264.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from deepfake_serving.training.gpu.filters import column

_LUMA = [
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
]
_CHROMA = [
    [17, 18, 24, 47, 99, 99, 99, 99],
    [18, 21, 26, 66, 99, 99, 99, 99],
    [24, 26, 56, 99, 99, 99, 99, 99],
    [47, 66, 99, 99, 99, 99, 99, 99],
] + [[99] * 8] * 4
_TO_YCC = [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]


def jpeg(images: Tensor, quality: Tensor, subsampled: bool, offset: tuple[int, int]) -> Tensor:
    """Compresses images (n, 3, h, w) in 0..255 as JPEG.

    Args:
        quality: (n,), 1..100.
        subsampled: chroma at half resolution (4:2:0).
        offset: shift of the block grid, x and y in pixels.
    """
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    tables = []
    for chroma in (False, True):
        table = _table(chroma, images.device)
        tables.append(((table * scale.view(-1, 1, 1) + 50) / 100).floor().clamp(1, 255))
    return _quantize_blocks(images, tables[0], tables[1], subsampled, offset, 0.5)


def h264_like(images: Tensor, step: Tensor, offset: tuple[int, int]) -> Tensor:
    """Compresses images with quantizer steps (n,) of about 2 (crf 18) to 40 (crf 40)."""
    flat = step.view(-1, 1, 1).expand(-1, 8, 8).clamp_min(1.0)
    coded = _quantize_blocks(images, flat, flat * 1.1, True, offset, 1 / 3)
    return _deblock(coded, step, offset)


def _deblock(images: Tensor, step: Tensor, offset: tuple[int, int]) -> Tensor:
    height, width = images.shape[-2:]
    soft = functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    edges = [
        (torch.arange(side, device=images.device) + shift) % 8
        for side, shift in ((height, offset[1]), (width, offset[0]))
    ]
    near = [((edge == 0) | (edge == 7)) for edge in edges]
    border = (near[0][:, None] | near[1][None, :]).view(1, 1, height, width)
    small = (soft - images).abs() < column(step)
    return torch.where(border & small, soft, images)


def _quantize_blocks(
    images: Tensor,
    luma: Tensor,
    chroma: Tensor,
    subsampled: bool,
    offset: tuple[int, int],
    rounding: float,
) -> Tensor:
    """Quantizes the blocks of each channel; a `rounding` below one half gives a dead zone."""
    height, width = images.shape[-2:]
    left, top = offset
    pads = (left, -(width + left) % 16, top, -(height + top) % 16)
    padded = functional.pad(images, pads, "replicate")
    matrix, inverse = _colour_matrices(images.device)
    ycc = torch.einsum("kc,nchw->nkhw", matrix, padded)
    y = _quantize(ycc[:, :1] - 128, luma, rounding) + 128
    colours = functional.avg_pool2d(ycc[:, 1:], 2) if subsampled else ycc[:, 1:]
    colours = _quantize(colours, chroma, rounding)
    if subsampled:
        colours = functional.interpolate(
            colours, scale_factor=2.0, mode="bilinear", align_corners=False
        )
    rgb = torch.einsum("ck,nkhw->nchw", inverse, torch.cat([y, colours], 1))
    return rgb[..., top : top + height, left : left + width].round().clamp(0, 255)


def _quantize(planes: Tensor, table: Tensor, rounding: float) -> Tensor:
    n, c, h, w = planes.shape
    dct = _dct(planes.device)
    blocks = planes.view(n, c, h // 8, 8, w // 8, 8)
    spectrum = torch.einsum("ui,ncaibj,vj->ncaubv", dct, blocks, dct)
    steps = table.view(n, 1, 1, 8, 1, 8)
    levels = (spectrum.abs() / steps + rounding).floor() * spectrum.sign()
    restored = torch.einsum("ui,ncaubv,vj->ncaibj", dct, levels * steps, dct)
    return restored.reshape(n, c, h, w)


@cache
def _table(chroma: bool, device: torch.device) -> Tensor:
    return torch.tensor(_CHROMA if chroma else _LUMA, device=device, dtype=torch.float32)


@cache
def _colour_matrices(device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns the matrices from RGB to YCbCr and back (ITU-T T.871)."""
    matrix = torch.tensor(_TO_YCC)
    return matrix.to(device), torch.linalg.inv(matrix).to(device)


@cache
def _dct(device: torch.device) -> Tensor:
    """Returns the orthonormal DCT-II matrix (8, 8)."""
    k = torch.arange(8, dtype=torch.float32)
    matrix = torch.cos(math.pi * (2 * k[None, :] + 1) * k[:, None] / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix.to(device)
