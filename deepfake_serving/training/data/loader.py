"""Batches of pairs for PyTorch, in an order determined by seed, epoch and step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from deepfake_serving.training.data.pairs import PairGenerator
from model_handlers.manifest import CropSpec

Batch = tuple[Tensor, Tensor, Tensor]
"""Crops uint8 (2n, 3, s, s): n real ones, then their fakes; labels (2n,); masks (2n, s, s)."""

_ORDER_STREAM = 3


class BatchLoader(Protocol):
    """The source of a training run's batches; `len` is the number of batches per epoch.

    `data` is a digest of the images: a run is resumed on the same ones only.
    """

    data: str

    def __len__(self) -> int: ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yields the batches of `epoch` from step `start` on."""
        ...


class _CropDataset(Dataset[Batch]):
    def __init__(self, pairs: PairGenerator, crop: CropSpec) -> None:
        self.pairs, self.crop = pairs, crop

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        epoch, index = key
        real, fake, mask = self.pairs.crops(epoch, index, self.crop)
        crops = torch.from_numpy(np.stack([real, fake])).permute(0, 3, 1, 2)
        masks = torch.from_numpy(np.stack([np.zeros_like(mask), mask]))
        return crops, torch.tensor([0.0, 1.0]), masks


class _ResumableSampler(Sampler[list[tuple[int, int]]]):
    """Shuffles all pairs once an epoch and yields this process's share, from any step on."""

    def __init__(self, length: int, pairs: int, seed: int, rank: int, world_size: int) -> None:
        self.length, self.pairs, self.seed = length, pairs, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = self.start = 0

    def __len__(self) -> int:
        """Steps of an epoch; an incomplete last batch is dropped."""
        return self.length // (self.pairs * self.world_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        rng = np.random.default_rng([self.seed, _ORDER_STREAM, self.epoch])
        order = rng.permutation(self.length)
        for step in range(self.start, len(self)):
            first = (step * self.world_size + self.rank) * self.pairs
            yield [(self.epoch, int(i)) for i in order[first : first + self.pairs]]


class PairLoader:
    """Loads the batches of an epoch, from any step on.

    Args:
        batch_pairs: pairs in a batch of this process.
        workers: processes that generate pairs; 0 generates them in this one.
    """

    def __init__(
        self,
        pairs: PairGenerator,
        crop: CropSpec,
        batch_pairs: int,
        workers: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.data = pairs.data
        self._sampler = _ResumableSampler(
            len(pairs), batch_pairs, pairs.config.seed, rank, world_size
        )
        if len(self._sampler) == 0:
            needed = batch_pairs * world_size
            raise ValueError(f"{len(pairs)} portraits are too few for a batch of {needed}")
        if workers:
            # OpenCV's thread pool doesn't survive a fork: a worker that uses it would hang.
            cv2.setNumThreads(0)
        self._loader = DataLoader(
            _CropDataset(pairs, crop),
            batch_sampler=self._sampler,
            collate_fn=_collate,
            num_workers=workers,
            worker_init_fn=_use_one_thread,
            pin_memory=torch.cuda.is_available(),
        )

    def __len__(self) -> int:
        return len(self._sampler)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yields the batches of `epoch` from step `start` on."""
        self._sampler.epoch, self._sampler.start = epoch, start
        yield from self._loader


def _collate(items: list[Batch]) -> Batch:
    crops, labels, masks = (
        torch.stack(tensors, 1).flatten(0, 1) for tensors in zip(*items, strict=True)
    )
    return crops, labels, masks


def _use_one_thread(_: int) -> None:
    """Leaves the cores to the network; more threads in workers would only compete with it."""
    torch.set_num_threads(1)
