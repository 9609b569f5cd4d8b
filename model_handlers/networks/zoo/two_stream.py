"""Two streams of Xception, over colours and over noise residuals, that attend to each other.

Luo et al., "Generalizing Face Forgery Detection with High-frequency Features", CVPR 2021
(arXiv:2103.12376), as in DeepfakeBench. The residuals are those of three filters of the spatial
rich model (Fridrich & Kodovsky 2012).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from model_handlers.network_specs import TwoStreamSpec
from model_handlers.networks.zoo.xception import xception_body

_WIDTH, _FEATURES = 728, 2048
_SMALL = [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]
_LARGE = [
    [-1, 2, -2, 2, -1],
    [2, -6, 8, -6, 2],
    [-2, 8, -12, 8, -2],
    [2, -6, 8, -6, 2],
    [-1, 2, -2, 2, -1],
]
_LIMIT = 3.0


def _filters() -> Tensor:
    """Returns the three filters, (3, 5, 5)."""
    filters = torch.zeros(3, 5, 5)
    filters[0, 1:4, 1:4] = torch.tensor(_SMALL) / 4
    filters[1] = torch.tensor(_LARGE) / 12
    filters[2, 2, 1:4] = torch.tensor([1.0, -2.0, 1.0]) / 2
    return filters


class Residuals(nn.Module):
    """Three residuals over the sum of three planes, clipped: (n, 3, h, w) → the same."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        kernel = _filters()[:, None].repeat(1, 3, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.kernel, padding=2).clamp(-_LIMIT, _LIMIT)


class MapResiduals(nn.Module):
    """Residuals of each map, clipped, and a 1x1 convolution: (n, c, h, w) → the same."""

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        kernel = _filters()[:, None].repeat_interleave(channels, dim=0)
        self.register_buffer("kernel", kernel, persistent=False)
        self.out_conv = nn.Sequential(
            nn.Conv2d(3 * channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        residuals = nn.functional.conv2d(x, self.kernel, padding=2, groups=x.shape[1])
        mixed: Tensor = self.out_conv(residuals.clamp(-_LIMIT, _LIMIT))
        return mixed


class ResidualAttention(nn.Module):
    """Weights of the positions of a map, by the residuals: (n, 3, s, s) → (n, 1, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.residuals = Residuals()
        self.conv = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        )
        self.weigh = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(self.residuals(x))
        pooled = torch.cat([maps.mean(1, keepdim=True), maps.amax(1, keepdim=True)], dim=1)
        return torch.sigmoid(self.weigh(pooled))


class CrossAttention(nn.Module):
    """Attention of both streams to each other, added to them: twice (n, c, h, w) → the same."""

    def __init__(self, channels: int, positions: int) -> None:
        super().__init__()
        keys = channels // 8
        self.key_conv1, self.key_conv2 = nn.Conv2d(channels, keys, 1), nn.Conv2d(channels, keys, 1)
        self.key_conv_share = nn.Conv2d(keys, keys, 1)
        self.linear1, self.linear2 = (
            nn.Linear(positions, positions),
            nn.Linear(positions, positions),
        )
        self.value_conv1 = nn.Conv2d(channels, channels, 1)
        self.value_conv2 = nn.Conv2d(channels, channels, 1)
        self.gamma1, self.gamma2 = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        first = self.key_conv_share(self.key_conv1(x)).flatten(2)
        second = self.key_conv_share(self.key_conv2(y)).flatten(2)
        energy = first.transpose(1, 2) @ second
        on_x = self.linear1(energy).softmax(dim=-1)
        on_y = self.linear2(energy.transpose(1, 2)).softmax(dim=-1)
        from_y = (self.value_conv2(y).flatten(2) @ on_x.transpose(1, 2)).view_as(x)
        from_x = (self.value_conv1(x).flatten(2) @ on_y.transpose(1, 2)).view_as(y)
        return self.gamma1 * from_y + x, self.gamma2 * from_x + y


class Fusion(nn.Module):
    """A 1x1 convolution over both streams, weighted by channel: twice (n, c, h, w) → the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convblk = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )
        self.weigh = nn.Sequential(
            nn.Conv2d(channels, channels // 16, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(channels // 16, channels, 1, bias=False),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        fused: Tensor = self.convblk(torch.cat([x, y], dim=1))
        mean, highest = fused.mean((2, 3), keepdim=True), fused.amax((2, 3), keepdim=True)
        return fused * torch.sigmoid(self.weigh(mean) + self.weigh(highest))


class TwoStream(nn.Module):
    """The network.

    Shapes:
        input: (n, 3, s, s) in ±1; output: (n, classes).
    """

    def __init__(self, spec: TwoStreamSpec, size: int) -> None:
        super().__init__()
        self.colours, self.noise = xception_body(3, 0), xception_body(3, 0)
        self.residuals = Residuals()
        self.residuals1, self.residuals2 = MapResiduals(32), MapResiduals(64)
        self.attention = ResidualAttention()
        self.attended = nn.Sequential(nn.BatchNorm2d(64), nn.ReLU())
        positions = _map_side(size) ** 2
        self.cross0, self.cross1 = (CrossAttention(_WIDTH, positions) for _ in range(2))
        self.fusion = Fusion(_FEATURES)
        self.fc = nn.Linear(_FEATURES, spec.classes)

    def forward(self, x: Tensor) -> Tensor:
        colours: Any = self.colours
        noise: Any = self.noise
        y = self.residuals(x)
        weights = self.attention(y)
        x = colours.act1(colours.bn1(colours.conv1(x)))
        y = torch.relu(noise.act1(noise.bn1(noise.conv1(y))) + self.residuals1(x))
        x = colours.act2(colours.bn2(colours.conv2(x)))
        y = torch.relu(noise.act2(noise.bn2(noise.conv2(y))) + self.residuals2(x))
        x = self.attended(x * weights + x)
        x, y = _blocks(colours, x, 1, 4), _blocks(noise, y, 1, 4)
        x, y = self.cross0(x, y)
        x, y = _blocks(colours, x, 4, 8), _blocks(noise, y, 4, 8)
        x, y = self.cross1(x, y)
        x, y = (_exit(body, _blocks(body, z, 8, 13)) for body, z in ((colours, x), (noise, y)))
        logits: Tensor = self.fc(torch.relu(self.fusion(x, y)).mean(dim=(2, 3)))
        return logits


def build_two_stream(spec: TwoStreamSpec, size: int) -> nn.Module:
    """Builds the network for crops of `size` pixels, whose positions it has weights for."""
    return TwoStream(spec, size)


def _map_side(size: int) -> int:
    """Returns the side of Xception's map after three blocks."""
    side = (size - 3) // 2 - 1
    for _ in range(3):
        side = (side - 1) // 2 + 1
    return side


def _blocks(body: Any, x: Tensor, first: int, end: int) -> Tensor:
    for number in range(first, end):
        x = getattr(body, f"block{number}")(x)
    return x


def _exit(body: Any, x: Tensor) -> Tensor:
    x = body.act3(body.bn3(body.conv3(x)))
    last: Tensor = body.bn4(body.conv4(x))
    return last
