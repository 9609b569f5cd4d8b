"""Noise residuals by SRM high-pass kernels, applied to each colour plane."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_handlers.manifest import NoiseSpec
from model_handlers.srm_kernels import KERNELS


class SRM(nn.Module):
    """Residuals of an RGB image, truncated to ±`truncation` grey levels and scaled to [-1, 1].

    Fixed kernels are the published ones, in whole numbers, whatever the weights file has: rounded
    kernels don't sum to zero, and the network sees the difference.

    Shapes:
        input: float (n, 3, h, w) in grey levels 0..255.
        output: float (n, 3 * kernels, h, w): every kernel on the red plane, then on green, then on
        blue. Borders are reflected, so that they cause no residuals.
    """

    whole: Tensor
    divisors: Tensor

    def __init__(self, spec: NoiseSpec) -> None:
        super().__init__()
        kernels = torch.tensor([KERNELS[name][0] for name in spec.kernels], dtype=torch.float32)
        divisors = torch.tensor([float(KERNELS[name][1]) for name in spec.kernels])
        whole, divisors = kernels.unsqueeze(1).repeat(3, 1, 1, 1), divisors.repeat(3).view(-1, 1, 1)
        self.weight = nn.Parameter(whole / divisors[:, None], requires_grad=spec.learnable)
        self.register_buffer("whole", whole, persistent=False)
        self.register_buffer("divisors", divisors, persistent=False)
        self.learnable, self.truncation = spec.learnable, spec.truncation

    def forward(self, images: Tensor) -> Tensor:
        padded = functional.pad(images, (2, 2, 2, 2), mode="reflect")
        if self.learnable:
            residual = functional.conv2d(padded, self.weight, groups=3)
        else:
            residual = functional.conv2d(padded, self.whole, groups=3) / self.divisors
        return residual.clamp(-self.truncation, self.truncation) / self.truncation
