"""Batches of a mixture for PyTorch, from any step of an epoch on."""

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

    def __getitem__(self, index: tuple[int, int]) -> Batch:
        """Returns crops, labels and masks (windows, 2, ...), each of a real and a fake crop."""
        pair = self.mixture.pair(*index)
        windows = draw_windows(len(pair.real), self.mixture.spec, self.mixture.seed, index)
        crops = np.stack([np.stack([pair.real[a], pair.fake[a]]) for a in windows])
        masks = np.stack([np.stack([pair.real_mask[a], pair.fake_mask[a]]) for a in windows])
        labels = torch.tensor([[0.0, 1.0]]).repeat(len(windows), 1)
        return torch.from_numpy(crops).permute(0, 1, 4, 2, 3), labels, torch.from_numpy(masks)


def draw_windows(
    size: int, spec: MixtureConfig, seed: int, index: tuple[int, int]
) -> list[tuple[slice, slice]]:
    """Draws square windows of a crop of side `size`, as slices."""
    rng = np.random.default_rng([seed, 6, *index])
    corners = rng.integers(0, size - spec.window + 1, (spec.windows, 2))
    return [(slice(y, y + spec.window), slice(x, x + spec.window)) for y, x in corners.tolist()]


class _BatchIndices:
    """Yields the indices (epoch, pair) of this process's remaining batches of an epoch."""

    def __init__(self, steps: int, pairs: int, rank: int, world: int) -> None:
        self.steps, self.pairs, self.rank, self.world = steps, pairs, rank, world
        self.epoch = self.start_step = 0

    def __len__(self) -> int:
        return self.steps - self.start_step

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for step in range(self.start_step, self.steps):
            first = (step * self.world + self.rank) * self.pairs
            yield [(self.epoch, first + offset) for offset in range(self.pairs)]


class MixtureLoader:
    """Yields the batches of an epoch: crops (n reals, then n fakes), labels, masks.

    Args:
        pairs: pairs of crops in a batch of this process; each window of a pair counts as one.
        workers: processes that generate pairs; 0 generates them in this one.
    """

    def __init__(
        self, mixture: Mixture, pairs: int, workers: int, rank: int = 0, world: int = 1
    ) -> None:
        pairs_per_step = max(1, pairs // mixture.spec.windows)
        steps = mixture.spec.pairs_per_epoch // (pairs_per_step * world)
        if not steps:
            raise ValueError(f"an epoch has fewer pairs than a batch of {pairs_per_step * world}")
        if workers:
            cv2.setNumThreads(0)  # OpenCV's thread pool doesn't survive a fork
        self.data = mixture.data
        self._indices = _BatchIndices(steps, pairs_per_step, rank, world)
        self._steps = steps
        self._loader = DataLoader(
            _Pairs(mixture),
            batch_sampler=self._indices,
            collate_fn=_join,
            num_workers=workers,
            worker_init_fn=_use_one_thread,
            pin_memory=torch.cuda.is_available(),
        )

    def __len__(self) -> int:
        return self._steps

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yields the batches of `epoch` from step `start` on."""
        self._indices.epoch, self._indices.start_step = epoch, start
        yield from self._loader


def _join(items: list[Batch]) -> Batch:
    crops, labels, masks = (
        torch.cat(parts).transpose(0, 1).flatten(0, 1) for parts in zip(*items, strict=True)
    )
    return crops, labels, masks


def _use_one_thread(_: int) -> None:
    torch.set_num_threads(1)
