"""The same crop with fewer pixels: what the second look looks at."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_handlers.manifest import CropSpec, Manifest


class Reduction(nn.Module):
    """Crops through a size at which the face's side is `face_px`, and back to their own.

    Resizing is linear and the same for rows and columns: one matrix from the left and from the
    right, which every runtime computes alike, whereas their own ways of resizing differ. The matrix
    takes down by antialiased bilinear interpolation and up by bicubic. Values are rounded as a
    picture's are, for the noise residuals' sake; the gradient passes the rounding by (Bengio et
    al. 2013, arXiv:1308.3432).

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
    """The reduction that a manifest's second look asks for; None where it has no second look."""
    if manifest.reference is None:
        return None
    return Reduction(manifest.crop, manifest.reference.face_px).to(device)
