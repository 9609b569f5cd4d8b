"""Blends made on the GPU: faces pasted into real images.

The pasted face is the same face after small changes (self-blended images, Shiohara & Yamasaki 2022,
arXiv:2204.08376) or another person's (Face X-ray, Li et al. 2020, arXiv:1912.13458). Some are
re-rendered by an autoencoder.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor

from deepfake_serving.training.gpu import filters
from deepfake_serving.training.gpu.autoencoder import ALIGNED, Bank
from deepfake_serving.training.gpu.degradation import resize
from deepfake_serving.training.gpu.geometry import (
    compose,
    crop_maps,
    sample,
    similarity,
    transform,
)
from deepfake_serving.training.gpu.masks import MaskShapes, crop_points
from deepfake_serving.training.gpu.store import FaceStore

_GROUP = 32
_RENDERED_SHARE = 0.3
_WHOLE_SHARE = 0.1
_OPACITIES = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)


class Blender:
    """Pastes faces of a store into crops of it.

    Attributes:
        rendered_share: share of the pasted faces that an autoencoder re-renders.
        whole_share: share of the blends that are whole re-rendered crops.
    """

    def __init__(self, store: FaceStore, shapes: MaskShapes, bank: Bank) -> None:
        self.store, self.shapes, self.bank = store, shapes, bank
        self.rendered_share, self.whole_share = _RENDERED_SHARE, _WHOLE_SHARE
        centre = torch.tensor([0.0, 0.05], device=store.device)
        self._opacities = torch.tensor(_OPACITIES, device=store.device)
        self.aligned = (shapes.five - centre) * (ALIGNED / 2.9) + ALIGNED / 2

    def __call__(
        self, crops: Tensor, maps: Tensor, targets: Tensor, donors: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Pastes the faces `donors` into crops of `targets`.

        Args:
            crops: (n, 3, s, s) in 0..255.
            maps: (n, 2, 3), from the crops to the images of the targets.
            targets, donors: (n,), indices in the store; a donor equal to its target gives a
                self-blend.

        Returns:
            The blends, and opacities (n, s, s).
        """
        n, size = len(crops), crops.shape[-1]
        store, is_self = self.store, targets == donors
        jitter_maps = _jitter(is_self, size)
        to_donor = similarity(store.points[targets], store.points[donors])
        images = store.images(donors, torch.zeros_like(is_self))
        donor_maps = compose(to_donor, compose(maps, jitter_maps))
        pasted = sample(images, donor_maps, store.extents[donors], size, "bilinear")
        five = crop_points(maps, store.points[targets])
        mask, hard = self.shapes.draw(five, size)
        pasted = torch.where(
            is_self.view(-1, 1, 1, 1), _jitter_colours(pasted), _match_colours(pasted, crops, hard)
        )
        rendered = round(n * self.rendered_share)
        if rendered:
            pasted[:rendered], inside = self._render(pasted[:rendered], five[:rendered])
            mask[:rendered] *= inside
        pasted = torch.cat([_simulate_generator(group) for group in torch.split(pasted, _GROUP)])
        ratio = self._opacities[torch.randint(len(_OPACITIES), (n,), device=crops.device)]
        mask = mask * filters.column(ratio)
        whole = round(n * self.whole_share)
        if whole:
            member = random.randrange(len(self.bank.members))
            pasted[-whole:] = self.bank.render(crops[-whole:], member)
            mask[-whole:] = 1
        return (crops * (1 - mask) + pasted * mask).clamp(0, 255), mask[:, 0]

    def align(self, crops: Tensor, five: Tensor) -> Tensor:
        """Crops the faces with landmarks `five` (n, 5, 2), upright and of the same size."""
        maps = similarity(self.aligned.expand(len(five), -1, -1), five)
        return sample(crops, maps, _frame(crops), ALIGNED, "bilinear")

    def _render(self, pasted: Tensor, five: Tensor) -> tuple[Tensor, Tensor]:
        """Re-renders the aligned faces; returns the images and the replaced area (n, 1, s, s)."""
        size = pasted.shape[-1]
        member = random.randrange(len(self.bank.members))
        faces = self.bank.render(self.align(pasted, five), member)
        to_aligned = similarity(five, self.aligned.expand(len(five), -1, -1))
        axis = torch.arange(size, device=five.device) + 0.5
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        points = torch.stack([x, y], -1).view(1, -1, 2).expand(len(five), -1, -1)
        positions = transform(to_aligned, points).view(-1, size, size, 2)
        inside = ((positions > 3) & (positions < ALIGNED - 3)).all(-1).unsqueeze(1).float()
        return sample(faces, to_aligned, _frame(faces), size, "bicubic").clamp(0, 255), inside


def _frame(images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    edges = torch.tensor([0.0, 0.0, width, height], device=images.device)
    return edges.expand(len(images), -1)


def _jitter(is_self: Tensor, size: int) -> Tensor:
    """Returns maps that rotate, scale and shift self-blends slightly, and identities for others."""
    n, device = len(is_self), is_self.device
    boxes = torch.tensor([0.0, 0.0, size, size], device=device).expand(n, -1)
    weight = is_self.float()
    scale = 1 + weight * torch.empty(n, device=device).uniform_(-0.05, 0.05)
    shift = weight[:, None] * torch.empty(n, 2, device=device).uniform_(-0.025, 0.025)
    degrees = weight * torch.empty(n, device=device).uniform_(-2, 2)
    return crop_maps(boxes, size, scale, shift, degrees, torch.zeros_like(is_self))


def _jitter_colours(images: Tensor) -> Tensor:
    """Changes tone and colours slightly."""
    n, device = len(images), images.device

    def draw(low: float, high: float, off: float) -> Tensor:
        values = torch.empty(n, device=device).uniform_(low, high)
        return torch.where(torch.rand(n, device=device) < 0.6, values, torch.full_like(values, off))

    balance = torch.stack([draw(0.92, 1.08, 1) for _ in range(3)], 1)
    images = filters.tone(images, draw(0.85, 1.18, 1), draw(0.85, 1.15, 1), draw(-15, 15, 0))
    return filters.colour(images, draw(0.7, 1.3, 1), balance)


def _match_colours(images: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Transfers mean and deviation of each channel within a mask (Reinhard et al. 2001)."""
    weight = inside.sum((2, 3), keepdim=True).clamp_min(1)

    def moments(values: Tensor) -> tuple[Tensor, Tensor]:
        mean = (values * inside).sum((2, 3), keepdim=True) / weight
        variance = ((values - mean) ** 2 * inside).sum((2, 3), keepdim=True) / weight
        return mean, variance.sqrt() + 1

    mean, deviation = moments(images)
    goal, spread = moments(target)
    matched = (images - mean) * (spread / deviation).clamp(0.5, 2) + goal
    strength = torch.empty(len(images), 1, 1, 1, device=images.device).uniform_(0.6, 1)
    return (images + strength * (matched - images)).clamp(0, 255)


def _simulate_generator(images: Tensor) -> Tensor:
    """Simulates face generators and restorers: low resolution, smooth skin, halos."""
    n, size, device = len(images), images.shape[-1], images.device

    def draw(chance: float, low: float, high: float) -> Tensor:
        values = torch.empty(n, device=device).uniform_(low, high)
        return values * (torch.rand(n, device=device) < chance)

    if random.random() < 0.75:
        images = resize(resize(images, int(size * random.uniform(0.28, 0.95))), size)
    if random.random() < 0.35:
        images = filters.smooth_skin(images, draw(0.8, 6, 25))
        images = filters.sharpen(images, draw(0.9, 0.3, 1.5), random.uniform(0.8, 2.0))
    images = filters.blur(images, draw(0.2, 0.4, 1.5), 4)
    return filters.noise(images, draw(0.15, 1, 6), torch.ones(n, device=device))
