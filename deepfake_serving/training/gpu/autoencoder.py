"""Small autoencoders that re-render faces, as swapping tools and image generators do.

They are trained beside the detector on real faces only; their outputs serve as fakes. The three
differ in bottleneck and upsampling, because each upsampling method leaves its own artifacts
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
        channels: channels of the bottleneck.
        upsampling: how the decoder doubles the resolution.
    """

    def __init__(
        self, depth: int, channels: int, upsampling: Literal["nearest", "shuffle", "transposed"]
    ) -> None:
        super().__init__()
        widths = _WIDTHS[:depth]
        layers: list[nn.Module] = []
        in_channels = 3
        for width in widths:
            layers += [nn.Conv2d(in_channels, width, 4, 2, 1), nn.SiLU(), _residual(width)]
            in_channels = width
        layers.append(nn.Conv2d(in_channels, channels, 1))
        self.encoder = nn.Sequential(*layers)
        layers = [nn.Conv2d(channels, in_channels, 1)]
        for width in (*reversed(widths[:-1]), 32):
            layers += [_residual(in_channels), _double(in_channels, width, upsampling), nn.SiLU()]
            in_channels = width
        layers.append(nn.Conv2d(in_channels, 3, 3, 1, 1))
        self.decoder = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        reconstructed: Tensor = self.decoder(self.encoder(images / 127.5 - 1))
        return (reconstructed + 1) * 127.5


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
        """Trains every member on real faces (n, 3, s, s); returns the mean error in grey levels."""
        device = faces.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            reconstructed = [member(faces).float() for member in self.members]
        errors = [_error(image, faces) for image in reconstructed]
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
            reconstructed: Tensor = self.members[member](faces)
        return reconstructed.float().clamp(0, 255)


def _error(reconstructed: Tensor, images: Tensor) -> Tensor:
    """Returns the mean absolute error of pixels and of their horizontal and vertical gradients."""
    error = (reconstructed - images).abs().mean()
    for dim in (2, 3):
        error = error + functional.l1_loss(reconstructed.diff(dim=dim), images.diff(dim=dim))
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


def _double(in_channels: int, out_channels: int, upsampling: str) -> nn.Module:
    if upsampling == "nearest":
        return nn.Sequential(
            nn.Upsample(scale_factor=2.0), nn.Conv2d(in_channels, out_channels, 3, 1, 1)
        )
    if upsampling == "shuffle":
        return nn.Sequential(nn.Conv2d(in_channels, 4 * out_channels, 3, 1, 1), nn.PixelShuffle(2))
    return nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1)
