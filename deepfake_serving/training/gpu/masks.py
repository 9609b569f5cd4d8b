"""Blend masks drawn on the GPU: the shapes of `deepfake_serving.training.data.masks`.

A shape is a polygon in the frame of a mean face, whose five landmarks are mapped onto those of a
face.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from deepfake_serving.training.data.masks import HULLS, SHAPE_WEIGHTS, five_points
from deepfake_serving.training.gpu.filters import blur
from deepfake_serving.training.gpu.geometry import invert, similarity, transform

_VERTICES = 48
_MEAN_FIVE = [[-0.5, -0.55], [0.5, -0.55], [0.0, 0.0], [-0.4, 0.45], [0.4, 0.45]]
"""Landmarks of the mean face without meshes; eyes to mouth is the unit of length."""


class MaskShapes:
    """Polygons of the shapes, float32 (shapes, vertices, 2), around `five` (5, 2)."""

    def __init__(self, polygons: Tensor, five: Tensor, weights: Tensor) -> None:
        self.polygons, self.five, self.weights = polygons, five, weights

    @classmethod
    def from_meshes(cls, meshes: npt.NDArray[np.float32], device: torch.device) -> MaskShapes:
        """Averages meshes (n, 468, 2)."""
        own = torch.from_numpy(np.stack([five_points(mesh) for mesh in meshes]))
        target = torch.tensor(_MEAN_FIVE).expand(len(own), -1, -1)
        mean = transform(similarity(own, target), torch.from_numpy(meshes)).mean(0).numpy()
        five = five_points(mean)
        shapes = [
            _resampled(cv2.convexHull(mean[hull])[:, 0].astype(np.float64))
            for hull in HULLS.values()
        ]
        eyes, mouth = five[:2].mean(0), five[3:].mean(0)
        length, centre = float(mouth[1] - eyes[1]), eyes + 0.55 * (mouth - eyes)
        square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 1.15 * length
        angle = np.linspace(0, 2 * np.pi, _VERTICES, endpoint=False)
        ellipse = np.stack([0.95 * np.cos(angle), 1.35 * np.sin(angle)], -1) * length
        shapes += [_resampled(square + centre), ellipse + centre]
        polygons = torch.from_numpy(np.stack(shapes).astype(np.float32)).to(device)
        weights = torch.tensor(SHAPE_WEIGHTS, dtype=torch.float32, device=device)
        return cls(polygons, torch.from_numpy(five).float().to(device), weights)

    def draw(self, five: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Draws a soft mask for every face.

        Args:
            five: (n, 5, 2), landmarks in crops of `size` pixels.

        Returns:
            Opacity (n, 1, size, size) in 0..1, and the mask before blurring, of zeros and ones.
        """
        n, device = len(five), five.device
        chosen = torch.multinomial(self.weights, n, replacement=True)
        vertices = self._deformed(self.polygons[chosen])
        points = transform(similarity(self.five.expand(n, -1, -1), five), vertices)
        half = size // 2
        hard = fill(points / 2, half)
        length = (five[:, 3:].mean(1) - five[:, :2].mean(1)).norm(dim=1).clamp_min(4)
        sigma = (torch.empty(n, device=device).uniform_(0.01, 0.16) * length).clamp(0.7, 12) / 2
        soft = blur(hard, sigma, 18)
        inner = (torch.rand(n, device=device) < 0.5).view(-1, 1, 1, 1)
        soft = torch.where(inner, (2 * soft - 1).clamp(0, 1), soft)
        soft = soft / soft.amax((2, 3), keepdim=True).clamp_min(0.05)
        return tuple(  # type: ignore[return-value]
            torch.nn.functional.interpolate(mask, size=size, mode="bilinear", align_corners=False)
            for mask in (soft, hard)
        )

    def ellipses(self, five: Tensor, size: int) -> Tensor:
        """Returns the undeformed ellipse over every face, (n, 1, size, size)."""
        maps = similarity(self.five.expand(len(five), -1, -1), five)
        points = transform(maps, self.polygons[-1].expand(len(five), -1, -1))
        return torch.nn.functional.interpolate(fill(points / 2, size // 2), size=size)

    @staticmethod
    def _deformed(vertices: Tensor) -> Tensor:
        """Scales by 0.85 to 1.1, shifts, and deforms the outline."""
        n, k = vertices.shape[:2]
        device = vertices.device
        centre = vertices.mean(1, keepdim=True)
        scale = torch.empty(n, 1, 2, device=device).uniform_(0.85, 1.1)
        angle = torch.arange(k, device=device) * (2 * torch.pi / k)
        waves = torch.arange(1, 6, device=device)
        height = torch.randn(n, 5, 1, device=device) * 0.05 / waves.view(1, 5, 1) ** 0.5
        phase = torch.rand(n, 5, 1, device=device) * 2 * torch.pi
        radius = 1 + (height * torch.cos(waves.view(1, 5, 1) * angle + phase)).sum(1)
        shift = torch.randn(n, 1, 2, device=device) * 0.06
        return centre + (vertices - centre) * scale * radius[:, :, None] + shift


def fill(polygons: Tensor, size: int) -> Tensor:
    """Fills polygons (n, k, 2) by the even-odd rule: float (n, 1, size, size) of zeros and ones."""
    axis = torch.arange(size, device=polygons.device, dtype=polygons.dtype) + 0.5
    x, y = axis.view(1, 1, -1, 1), axis.view(1, -1, 1, 1)
    x1, y1 = (polygons[:, None, None, :, i] for i in (0, 1))
    x2, y2 = (polygons.roll(-1, 1)[:, None, None, :, i] for i in (0, 1))
    spans = (y1 > y) != (y2 > y)
    rise = torch.where(y2 == y1, torch.ones_like(y1), y2 - y1)
    left = x < (x2 - x1) * (y - y1) / rise + x1
    inside = (spans & left).sum(-1) % 2 == 1
    return inside.unsqueeze(1).to(polygons.dtype)


def crop_points(maps: Tensor, five: Tensor) -> Tensor:
    """Returns landmarks (n, 5, 2) of images in the crops that `maps` sample.

    In mirrored crops left and right are swapped, so that the first eye is still the left one.
    """
    points = transform(invert(maps), five)
    (a, b), (c, d) = maps[:, 0, :2].unbind(1), maps[:, 1, :2].unbind(1)
    mirrored = a * d < b * c
    return torch.where(mirrored.view(-1, 1, 1), points[:, [1, 0, 2, 4, 3]], points)


def _resampled(polygon: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns vertices at equal distances along the outline."""
    closed = np.concatenate([polygon, polygon[:1]])
    steps = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    offsets = np.linspace(0, steps[-1], _VERTICES, endpoint=False)
    return np.stack([np.interp(offsets, steps, closed[:, i]) for i in (0, 1)], -1)
