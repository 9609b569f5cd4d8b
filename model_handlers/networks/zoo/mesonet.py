"""MesoNet: small networks that look at mesoscopic properties of a face.

Afchar et al., "MesoNet: a Compact Facial Video Forgery Detection Network", WIFS 2018
(arXiv:1809.00888).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_handlers.network_specs import MesoSpec

_REDUCTION = 32
"""The pools' product."""


class Meso4(nn.Module):
    """Meso-4: four convolutions, each with ReLU, normalisation and pooling, and two linear layers.

    Shapes:
        input: (n, 3, s, s), s a multiple of 32; output: (n, classes).
    """

    def __init__(self, spec: MesoSpec, size: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = _convolution(3, 8, 3), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = _convolution(8, 8, 5), nn.BatchNorm2d(8)
        self.conv3, self.norm3 = _convolution(8, 16, 5), nn.BatchNorm2d(16)
        self.conv4, self.norm4 = _convolution(16, 16, 5), nn.BatchNorm2d(16)
        self.head = MesoHead(spec, size)

    def forward(self, x: Tensor) -> Tensor:
        x = _pooled(self.norm1(self.conv1(x).relu()), 2)
        x = _pooled(self.norm2(self.conv2(x).relu()), 2)
        x = _pooled(self.norm3(self.conv3(x).relu()), 2)
        x = _pooled(self.norm4(self.conv4(x).relu()), 4)
        logits: Tensor = self.head(x)
        return logits


class MesoInception4(nn.Module):
    """MesoInception-4: the first two convolutions are inception modules with dilation.

    Shapes:
        input: (n, 3, s, s), s a multiple of 32; output: (n, classes).
    """

    def __init__(self, spec: MesoSpec, size: int) -> None:
        super().__init__()
        active = spec.inner_activations
        self.inception1, self.norm1 = Inception(3, (1, 4, 4, 2), active), nn.BatchNorm2d(11)
        self.inception2, self.norm2 = Inception(11, (2, 4, 4, 2), active), nn.BatchNorm2d(12)
        self.conv3, self.norm3 = _convolution(12, 16, 5), nn.BatchNorm2d(16)
        self.conv4, self.norm4 = _convolution(16, 16, 5), nn.BatchNorm2d(16)
        self.head = MesoHead(spec, size)

    def forward(self, x: Tensor) -> Tensor:
        x = _pooled(self.norm1(self.inception1(x)), 2)
        x = _pooled(self.norm2(self.inception2(x)), 2)
        x = _pooled(self.norm3(self.conv3(x).relu()), 2)
        x = _pooled(self.norm4(self.conv4(x).relu()), 4)
        logits: Tensor = self.head(x)
        return logits


class Inception(nn.Module):
    """Four branches: 1x1, and 1x1 followed by 3x3 with dilation 1, 2 and 3."""

    def __init__(self, channels: int, widths: tuple[int, int, int, int], active: bool) -> None:
        super().__init__()
        self.active = active
        first, *others = widths
        self.branch1 = nn.Conv2d(channels, first, 1)
        for dilation, width in enumerate(others, start=1):
            pair = nn.Conv2d(channels, width, 1), _convolution(width, width, 3, dilation)
            setattr(self, f"branch{dilation + 1}", nn.ModuleList(pair))

    def forward(self, x: Tensor) -> Tensor:
        parts = [self._activated(self.branch1(x))]
        for index in (2, 3, 4):
            reduce, dilated = getattr(self, f"branch{index}")
            parts.append(self._activated(dilated(self._activated(reduce(x)))))
        return torch.cat(parts, dim=1)

    def _activated(self, x: Tensor) -> Tensor:
        return x.relu() if self.active else x


class MesoHead(nn.Module):
    """Two linear layers over the flattened map; dropout has no effect in evaluation."""

    def __init__(self, spec: MesoSpec, size: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.fc1 = nn.Linear(16 * (size // _REDUCTION) ** 2, 16)
        self.fc2 = nn.Linear(16, spec.classes)

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.leaky_relu(self.fc1(self.dropout(x.flatten(1))), 0.1)
        logits: Tensor = self.fc2(self.dropout(hidden))
        return logits


def build_mesonet(spec: MesoSpec, size: int) -> nn.Module:
    """Builds Meso-4 or MesoInception-4 for crops of `size` pixels.

    Raises:
        ValueError: the size is not a multiple of 32.
    """
    if size % _REDUCTION:
        raise ValueError(f"crop.size: {spec.name} needs a multiple of {_REDUCTION}, not {size}")
    return (Meso4 if spec.name == "meso4" else MesoInception4)(spec, size)


def _convolution(channels: int, width: int, kernel: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, width, kernel, padding="same", dilation=dilation)


def _pooled(x: Tensor, side: int) -> Tensor:
    return functional.max_pool2d(x, side)
