"""One process or several: torchrun's environment, if it is there, decides."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import distributed, nn


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those of a run."""

    rank: int
    world: int
    device: torch.device

    @classmethod
    def from_environment(cls) -> Processes:
        """Joins the group that torchrun started (NCCL on GPUs, Gloo on CPUs), or is alone."""
        world = int(os.environ.get("WORLD_SIZE", "1"))
        rank, local = (int(os.environ.get(name, "0")) for name in ("RANK", "LOCAL_RANK"))
        cuda = torch.cuda.is_available()
        device = torch.device("cuda", local) if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(device)
        if world > 1:
            distributed.init_process_group("nccl" if cuda else "gloo")
        return cls(rank, world, device)

    @property
    def first(self) -> bool:
        """Whether this one speaks and writes for all."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """Averages gradients over the processes, and batch statistics over GPUs."""
        if self.world == 1:
            return module
        if self.device.type == "cuda":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return nn.parallel.DistributedDataParallel(module)

    def share(self, figures: Mapping[str, float]) -> dict[str, float]:
        """The first process's figures, in all."""
        if self.world == 1:
            return dict(figures)
        parcel = [dict(figures)]
        distributed.broadcast_object_list(parcel, src=0)
        return parcel[0]

    def leave(self) -> None:
        if self.world > 1:
            distributed.destroy_process_group()
