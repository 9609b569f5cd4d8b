"""Batches of pairs for torch, in an order that seed, epoch and place in the epoch decide."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from deepfake_serving.training.data.pairs import PairMaker
from model_handlers.manifest import CropSpec

Batch = tuple[Tensor, Tensor, Tensor]
"""Crops uint8 (2n, 3, s, s): n real ones, then their fakes; labels (2n,); masks (2n, s, s)."""


class _Crops(Dataset[Batch]):
    def __init__(self, maker: PairMaker, crop: CropSpec) -> None:
        self.maker, self.crop = maker, crop

    def __getitem__(self, place: tuple[int, int]) -> Batch:
        real, fake, mask = self.maker.crops(*place, self.crop)
        crops = torch.from_numpy(np.stack([real, fake])).permute(0, 3, 1, 2)
        masks = torch.from_numpy(np.stack([np.zeros_like(mask), mask]))
        return crops, torch.tensor([0.0, 1.0]), masks


class _Order(Sampler[list[tuple[int, int]]]):
    """Every portrait once an epoch, shuffled; the share of this process; what is left of it."""

    def __init__(self, length: int, pairs: int, seed: int, rank: int, world: int) -> None:
        self.length, self.pairs, self.seed, self.rank, self.world = length, pairs, seed, rank, world
        self.epoch = self.done = 0

    def __len__(self) -> int:
        """Steps of a whole epoch; the last, incomplete batch is left out."""
        return self.length // (self.pairs * self.world)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.random.default_rng([self.seed, 3, self.epoch]).permutation(self.length)
        for step in range(self.done, len(self)):
            first = (step * self.world + self.rank) * self.pairs
            yield [(self.epoch, int(i)) for i in order[first : first + self.pairs]]


class PairLoader:
    """Yields the batches of an epoch, from any step on.

    Args:
        pairs: pairs a batch, of this process.
        workers: processes that make pairs; 0 makes them in this one.
    """

    def __init__(
        self,
        maker: PairMaker,
        crop: CropSpec,
        pairs: int,
        workers: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._order = _Order(len(maker), pairs, maker.spec.seed, rank, world)
        if len(self._order) == 0:
            raise ValueError(f"{len(maker)} portraits are too few for a batch of {pairs * world}")
        if workers:
            # OpenCV's threads don't survive the fork: a worker that has to do with them waits for
            # ever. Without any here there are none to miss there.
            cv2.setNumThreads(0)
        self._loader = DataLoader(
            _Crops(maker, crop),
            batch_sampler=self._order,
            collate_fn=_join,
            num_workers=workers,
            worker_init_fn=_one_thread,
            pin_memory=torch.cuda.is_available(),
        )

    def __len__(self) -> int:
        return len(self._order)

    def epoch(self, epoch: int, done: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` after its first `done`."""
        self._order.epoch, self._order.done = epoch, done
        yield from self._loader


def _join(items: list[Batch]) -> Batch:
    crops, labels, masks = (
        torch.stack(parts, 1).flatten(0, 1) for parts in zip(*items, strict=True)
    )
    return crops, labels, masks


def _one_thread(_: int) -> None:
    """Workers share the cores with the network; more threads would only fight for them."""
    torch.set_num_threads(1)
