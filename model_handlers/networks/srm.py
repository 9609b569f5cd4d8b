"""Noise residuals by SRM high-pass kernels, applied to each colour plane.

The kernels are those of the spatial rich model (Fridrich & Kodovsky, "Rich Models for Steganalysis
of Digital Images", IEEE TIFS 2012) in the choice of Zhou et al., "Learning Rich Features for Image
Manipulation Detection", CVPR 2018 (arXiv:1805.04953).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_handlers.manifest import Kernel, NoiseSpec

_SECOND_ORDER = [
    [0, 0, 0, 0, 0],
    [0, -1, 2, -1, 0],
    [0, 2, -4, 2, 0],
    [0, -1, 2, -1, 0],
    [0, 0, 0, 0, 0],
]
_SQUARE = [
    [-1, 2, -2, 2, -1],
    [2, -6, 8, -6, 2],
    [-2, 8, -12, 8, -2],
    [2, -6, 8, -6, 2],
    [-1, 2, -2, 2, -1],
]
_LINE = [
    [0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0],
    [0, 1, -2, 1, 0],
    [0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0],
]

KERNELS: dict[Kernel, tuple[list[list[int]], int]] = {
    "second_order": (_SECOND_ORDER, 4),
    "square": (_SQUARE, 12),
    "line": (_LINE, 2),
}
"""Name → (5x5 kernel, divisor). The 3x3 ones are padded with zeros to 5x5."""


class SRM(nn.Module):
    """Residuals of an RGB image, truncated to ±`truncation` grey levels and scaled to [-1, 1].

    Shapes:
        input: float (n, 3, h, w) in grey levels 0..255.
        output: float (n, 3 * kernels, h, w): every kernel on the red plane, then on green, then on
        blue. Borders are reflected, so that they cause no residuals.
    """

    def __init__(self, spec: NoiseSpec) -> None:
        super().__init__()
        kernels = [torch.tensor(KERNELS[k][0]) / KERNELS[k][1] for k in spec.kernels]
        bank = torch.stack(kernels).unsqueeze(1).repeat(3, 1, 1, 1)
        self.weight = nn.Parameter(bank, requires_grad=spec.learnable)
        self.truncation = spec.truncation

    def forward(self, images: Tensor) -> Tensor:
        padded = functional.pad(images, (2, 2, 2, 2), mode="reflect")
        residual = functional.conv2d(padded, self.weight, groups=3)
        return residual.clamp(-self.truncation, self.truncation) / self.truncation
