"""Batches drawn from a store: pairs of a real and a fake crop with the same augmentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from deepfake_serving.training.config.mixture import MixtureConfig, SourceConfig
from deepfake_serving.training.gpu.blending import Blender
from deepfake_serving.training.gpu.degradation import degrade
from deepfake_serving.training.gpu.geometry import crop_maps, sample
from deepfake_serving.training.gpu.masks import crop_points
from deepfake_serving.training.gpu.store import FaceStore, Members

_COMPRESSED_SHARE = 0.5
_CANDIDATES = 48


@dataclass(frozen=True, slots=True)
class PairBatch:
    """A batch of pairs.

    Attributes:
        crops: (n, 2, 3, s, s) in 0..255, the real one first.
        masks: (n, s, s), of the fakes.
        sources: (n,), indices into the mixture's list of sources.
    """

    crops: Tensor
    masks: Tensor
    sources: Tensor


class BatchSampler:
    """Draws batches of a mixture."""

    def __init__(
        self, mixture: MixtureConfig, store: FaceStore, blender: Blender, size: int
    ) -> None:
        self.mixture, self.store, self.blender, self.size = mixture, store, blender, size
        self.sources = list(mixture.sources)
        shares = [mixture.sources[name].share for name in self.sources]
        self._shares = torch.tensor(shares)
        self._reals = torch.cat([store.packs[name].reals for name in _real_packs(mixture)])

    def draw(self, pairs: int, degraded: bool = True) -> PairBatch:
        """Returns a batch; blends come first."""
        chosen = torch.multinomial(self._shares, pairs, replacement=True)
        counts = torch.bincount(chosen, minlength=len(self.sources)).tolist()
        numbers, tight, order = [], [], []
        for index in sorted(range(len(self.sources)), key=self._blends_first):
            source = self.mixture.sources[self.sources[index]]
            if counts[index]:
                numbers.append(self._numbers(source, counts[index]))
                tight += [source.tighten] * counts[index]
                order += [index] * counts[index]
        reals, fakes = torch.cat(numbers, 1)
        device = self.store.device
        blends = sum(c for c, n in zip(counts, self.sources, strict=True) if self._is_blend(n))
        crops, masks = self._crops(reals, fakes, blends, torch.tensor(tight, device=device))
        crops = degrade(crops) if degraded else crops.round()
        return PairBatch(crops, masks, torch.tensor(order, device=device))

    def aligned_reals(self, count: int) -> Tensor:
        """Returns aligned real faces (n, 3, s, s), on which autoencoders are trained."""
        numbers = self._reals[torch.randint(len(self._reals), (count,), device=self.store.device)]
        images = self.store.images(numbers, torch.zeros_like(numbers, dtype=torch.bool))
        return self.blender.align(images, self.store.points[numbers])

    def _blends_first(self, index: int) -> bool:
        return not self._is_blend(self.sources[index])

    def _is_blend(self, name: str) -> bool:
        return self.mixture.sources[name].mode == "blends"

    def _numbers(self, source: SourceConfig, count: int) -> Tensor:
        """Draws the indices of real and fake faces (2, n); for blends, of targets and donors."""
        packs, parts = self.store.packs, []
        for name, share in _split_randomly(source.reals, count):
            members = packs[name]
            if source.mode == "pairs":
                parts.append(_draw_pairs(members, share))
                continue
            reals = _draw(members.reals, share)
            if source.mode == "blends":
                parts.append(torch.stack([reals, self._donors(members, reals)]))
            else:
                fakes = [
                    _draw(packs[other].fakes, part)
                    for other, part in _split_randomly(source.fakes, share)
                ]
                parts.append(torch.stack([reals, torch.cat(fakes)]))
        numbers = torch.cat(parts, 1)
        return numbers[:, torch.randperm(numbers.shape[1], device=numbers.device)]

    def _donors(self, members: Members, targets: Tensor) -> Tensor:
        """Draws donors (n,): the target itself, or a person whose face has a similar shape."""
        mixture, store, n = self.mixture, self.store, len(targets)
        pools = members.reals, self._reals
        drawn = [_draw(pool, n * _CANDIDATES).view(n, -1) for pool in pools]
        foreign = torch.rand(n, 1, device=store.device) < mixture.foreign_share
        candidates = torch.where(foreign, drawn[1], drawn[0])
        distance = (self._shape(candidates) - self._shape(targets)[:, None]).norm(dim=-1)
        same = store.identity[candidates] == store.identity[targets][:, None]
        nearest = (distance + 1e3 * same).topk(4, largest=False).indices
        pick = nearest.gather(1, torch.randint(4, (n, 1), device=store.device))
        others = candidates.gather(1, pick)[:, 0]
        is_self = torch.rand(n, device=store.device) < mixture.self_share
        return torch.where(is_self, targets, others)

    def _shape(self, numbers: Tensor) -> Tensor:
        boxes, five = self.store.boxes[numbers], self.store.points[numbers]
        low, span = boxes[..., None, :2], (boxes[..., 2:] - boxes[..., :2])[..., None, :]
        return ((five - low) / span).flatten(-2)

    def _crops(
        self, reals: Tensor, fakes: Tensor, blends: int, tighten: Tensor
    ) -> tuple[Tensor, Tensor]:
        store, size, n = self.store, self.size, len(reals)
        device = store.device
        margin = torch.empty(n, device=device).uniform_(*self.mixture.margins)
        shift = torch.randn(n, 2, device=device) * 0.04
        degrees = torch.randn(n, device=device) * 6
        flip = torch.rand(n, device=device) < 0.5
        compressed = torch.rand(n, device=device) < _COMPRESSED_SHARE
        tight = torch.where(
            torch.rand(n, device=device) < tighten,
            torch.empty(n, device=device).uniform_(1.0, 1.3),
            torch.full((n,), 9.0, device=device),
        )
        views, maps = [], []
        for numbers in (reals, torch.cat([reals[:blends], fakes[blends:]])):
            boxes = store.boxes[numbers]
            maps.append(crop_maps(boxes, size, margin, shift, degrees, flip))
            extents = _limit_extents(store.extents[numbers], boxes, tight)
            images = store.images(numbers, compressed)
            views.append(sample(images, maps[-1], extents, size, "bicubic").clamp(0, 255))
        real, fake = views
        five = crop_points(maps[1], store.points[torch.cat([reals[:blends], fakes[blends:]])])
        masks = self.blender.shapes.ellipses(five, size)[:, 0]
        masks = torch.where(store.whole[fakes].view(-1, 1, 1), torch.ones_like(masks), masks)
        if blends:
            fake[:blends], masks[:blends] = self.blender(
                real[:blends], maps[0][:blends], reals[:blends], fakes[:blends]
            )
        return torch.stack([real, fake], 1), masks


def _limit_extents(extents: Tensor, boxes: Tensor, margin: Tensor) -> Tensor:
    """Limits extents to `margin` (n,) longer sides of the box."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (margin * (boxes[:, 2:] - boxes[:, :2]).amax(1) / 2)[:, None]
    low = torch.maximum(extents[:, :2], centre - half)
    high = torch.minimum(extents[:, 2:], centre + half)
    return torch.cat([low, torch.maximum(high, low + 2)], 1)


def _draw(numbers: Tensor, count: int) -> Tensor:
    return numbers[torch.randint(len(numbers), (count,), device=numbers.device)]


def _draw_pairs(members: Members, count: int) -> Tensor:
    """Draws originals, then one of the fakes of each: every original is equally likely."""
    index = torch.randint(len(members.originals), (count,), device=members.originals.device)
    offset = (torch.rand(count, device=index.device) * members.counts[index]).long()
    return torch.stack([members.originals[index], members.derived[members.starts[index] + offset]])


def _split_randomly(weights: Mapping[str, float], count: int) -> list[tuple[str, int]]:
    """Splits `count` at random in proportion to the weights."""
    names = list(weights)
    drawn = torch.multinomial(torch.tensor([weights[n] for n in names]), count, replacement=True)
    counts = torch.bincount(drawn, minlength=len(names)).tolist()
    return [(name, number) for name, number in zip(names, counts, strict=True) if number]


def _real_packs(mixture: MixtureConfig) -> list[str]:
    return sorted({name for source in mixture.sources.values() for name in source.reals})
