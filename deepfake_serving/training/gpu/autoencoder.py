"""Small autoencoders that re-render faces, as swapping tools and image generators do.

They are trained beside the detector on real faces only; what they return is a source of fakes. The
three differ in bottleneck and upsampling, because each way of upsampling leaves traces of its own
(Odena et al. 2016; Zhang et al. 2019, arXiv:1907.06515).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

ALIGNED = 128
"""Side of the aligned face that is re-rendered, pixels."""

_WIDTHS = (48, 96, 192, 256)


class Autoencoder(nn.Module):
    """Maps images (n, 3, h, w) in 0..255 to their reconstructions; h and w are multiples of 16.

    Args:
        depth: halvings of the resolution.
        channels: of the bottleneck.
        upsampling: how the decoder doubles the resolution.
    """

    def __init__(
        self, depth: int, channels: int, upsampling: Literal["nearest", "shuffle", "transposed"]
    ) -> None:
        super().__init__()
        widths = _WIDTHS[:depth]
        layers: list[nn.Module] = []
        before = 3
        for width in widths:
            layers += [nn.Conv2d(before, width, 4, 2, 1), nn.SiLU(), _residual(width)]
            before = width
        layers.append(nn.Conv2d(before, channels, 1))
        self.encoder = nn.Sequential(*layers)
        layers = [nn.Conv2d(channels, before, 1)]
        for width in (*reversed(widths[:-1]), 32):
            layers += [_residual(before), _double(before, width, upsampling), nn.SiLU()]
            before = width
        layers.append(nn.Conv2d(before, 3, 3, 1, 1))
        self.decoder = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        rebuilt: Tensor = self.decoder(self.encoder(images / 127.5 - 1))
        return (rebuilt + 1) * 127.5


class Bank:
    """The autoencoders and their optimizer."""

    def __init__(self, device: torch.device) -> None:
        self.members = nn.ModuleList(
            [
                Autoencoder(4, 48, "nearest"),
                Autoencoder(3, 24, "shuffle"),
                Autoencoder(3, 12, "transposed"),
            ]
        ).to(device)
        self.optimizer = torch.optim.AdamW(self.members.parameters(), 1e-3, weight_decay=1e-4)

    def train_step(self, faces: Tensor) -> Tensor:
        """Improves every member on real faces (n, 3, s, s) and returns the mean error in levels."""
        device = faces.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            rebuilt = [member(faces).float() for member in self.members]
        errors = [_error(image, faces) for image in rebuilt]
        loss = torch.stack(errors).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.members.parameters(), 1.0)
        self.optimizer.step()
        return loss.detach() / len(errors)

    @torch.no_grad()
    def render(self, faces: Tensor, member: int) -> Tensor:
        """Re-renders faces with one member."""
        device = faces.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            rebuilt: Tensor = self.members[member](faces)
        return rebuilt.float().clamp(0, 255)


def _error(rebuilt: Tensor, images: Tensor) -> Tensor:
    """Mean absolute error of pixels and of their differences to right and below."""
    error = (rebuilt - images).abs().mean()
    for dim in (2, 3):
        error = error + functional.l1_loss(rebuilt.diff(dim=dim), images.diff(dim=dim))
    return error


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            *(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, 1, 1)),
        )

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = maps + self.block(maps)
        return out


def _residual(width: int) -> nn.Module:
    return _Residual(width)


def _double(before: int, after: int, upsampling: str) -> nn.Module:
    if upsampling == "nearest":
        return nn.Sequential(nn.Upsample(scale_factor=2.0), nn.Conv2d(before, after, 3, 1, 1))
    if upsampling == "shuffle":
        return nn.Sequential(nn.Conv2d(before, 4 * after, 3, 1, 1), nn.PixelShuffle(2))
    return nn.ConvTranspose2d(before, after, 4, 2, 1)
