"""Reduction of a crop's resolution, for the reference pass."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_handlers.manifest import CropSpec, Manifest


class Reduction(nn.Module):
    """Downscales crops until the face measures `face_px`, and upscales them again.

    Resizing is linear and separable: one matrix, applied from the left and the right, gives the
    same result on every runtime, unlike their own resize operators. It combines antialiased
    bilinear downscaling and bicubic upscaling. Values are rounded, as in an 8-bit image, because
    noise residuals depend on it; the gradient passes straight through (Bengio et al. 2013,
    arXiv:1308.3432).

    Shapes:
        input, output: float (n, 3, s, s) in 0..255.
    """

    through: Tensor

    def __init__(self, spec: CropSpec, face_px: float) -> None:
        super().__init__()
        side = min(spec.size, max(8, round(face_px * spec.margin)))
        rows = torch.eye(spec.size)[None, None]
        down = functional.interpolate(rows, (side, spec.size), mode="bilinear", antialias=True)
        up = functional.interpolate(down, (spec.size, spec.size), mode="bicubic")
        self.register_buffer("through", up[0, 0], persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        exact = (self.through @ crops @ self.through.T).clamp(0, 255)
        return exact + (exact.round() - exact).detach()


def reduction_of(manifest: Manifest, device: torch.device | None = None) -> Reduction | None:
    """Builds the reduction for a manifest's reference pass; None without one."""
    if manifest.reference is None:
        return None
    return Reduction(manifest.crop, manifest.reference.face_px).to(device)
