"""Batches of a mixture for torch, from any step of an epoch on."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from deepfake_serving.training.config.mixture import MixtureConfig
from deepfake_serving.training.data.loader import Batch
from deepfake_serving.training.sources.mixture import Mixture


class _Pairs(Dataset[Batch]):
    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture

    def __getitem__(self, place: tuple[int, int]) -> Batch:
        """(windows, 2, ...) of each: a real and a fake crop, labels and masks."""
        pair = self.mixture.pair(*place)
        areas = draw_windows(len(pair.real), self.mixture.spec, self.mixture.seed, place)
        crops = np.stack([np.stack([pair.real[a], pair.fake[a]]) for a in areas])
        masks = np.stack([np.stack([pair.real_mask[a], pair.fake_mask[a]]) for a in areas])
        labels = torch.tensor([[0.0, 1.0]]).repeat(len(areas), 1)
        return torch.from_numpy(crops).permute(0, 1, 4, 2, 3), labels, torch.from_numpy(masks)


def draw_windows(
    size: int, spec: MixtureConfig, seed: int, place: tuple[int, int]
) -> list[tuple[slice, slice]]:
    """Random squares of a crop of side `size`."""
    rng = np.random.default_rng([seed, 6, *place])
    corners = rng.integers(0, size - spec.window + 1, (spec.windows, 2))
    return [(slice(y, y + spec.window), slice(x, x + spec.window)) for y, x in corners.tolist()]


class _Places:
    """The places of an epoch that this process still has to see, a batch at a time."""

    def __init__(self, steps: int, pairs: int, rank: int, world: int) -> None:
        self.steps, self.pairs, self.rank, self.world = steps, pairs, rank, world
        self.epoch = self.done = 0

    def __len__(self) -> int:
        return self.steps - self.done

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for step in range(self.done, self.steps):
            first = (step * self.world + self.rank) * self.pairs
            yield [(self.epoch, first + place) for place in range(self.pairs)]


class MixtureLoader:
    """Yields the batches of an epoch: crops (n reals, then n fakes), labels, masks.

    Args:
        pairs: real and fake crops a batch, of this process; windows of one pair count singly.
        workers: processes that make them; 0 makes them in this one.
    """

    def __init__(
        self, mixture: Mixture, pairs: int, workers: int, rank: int = 0, world: int = 1
    ) -> None:
        drawn = max(1, pairs // mixture.spec.windows)
        steps = mixture.spec.pairs_per_epoch // (drawn * world)
        if not steps:
            raise ValueError(f"an epoch has fewer pairs than a batch of {drawn * world}")
        if workers:
            cv2.setNumThreads(0)  # OpenCV's threads don't survive the fork
        self._places = _Places(steps, drawn, rank, world)
        self._steps = steps
        self._loader = DataLoader(
            _Pairs(mixture),
            batch_sampler=self._places,
            collate_fn=_join,
            num_workers=workers,
            worker_init_fn=_one_thread,
            pin_memory=torch.cuda.is_available(),
        )

    def __len__(self) -> int:
        return self._steps

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` from step `start` on."""
        self._places.epoch, self._places.done = epoch, start
        yield from self._loader


def _join(items: list[Batch]) -> Batch:
    crops, labels, masks = (
        torch.cat(parts).transpose(0, 1).flatten(0, 1) for parts in zip(*items, strict=True)
    )
    return crops, labels, masks


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
