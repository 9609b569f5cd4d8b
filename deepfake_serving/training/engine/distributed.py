"""Data-parallel training under torchrun, or in a single process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import distributed, nn


@dataclass(frozen=True, slots=True)
class DistributedContext:
    """The rank of this process, and the number of processes of the run."""

    rank: int
    world_size: int
    device: torch.device

    @classmethod
    def from_environment(cls) -> DistributedContext:
        """Joins torchrun's process group (NCCL on GPUs, Gloo on CPUs), if there is one."""
        world_size = int(os.environ.get("WORLD_SIZE", "1"))
        rank, local = (int(os.environ.get(name, "0")) for name in ("RANK", "LOCAL_RANK"))
        cuda = torch.cuda.is_available()
        device = torch.device("cuda", local) if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(device)
        if world_size > 1:
            distributed.init_process_group("nccl" if cuda else "gloo")
        return cls(rank, world_size, device)

    @property
    def is_main(self) -> bool:
        """Whether this process logs and writes files for all."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """Wraps a module to average gradients over processes, and batch statistics over GPUs."""
        if self.world_size == 1:
            return module
        if self.device.type == "cuda":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return nn.parallel.DistributedDataParallel(module)

    def broadcast(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Returns the metrics of rank 0 in every process."""
        if self.world_size == 1:
            return dict(metrics)
        objects = [dict(metrics)]
        distributed.broadcast_object_list(objects, src=0)
        return objects[0]

    def close(self) -> None:
        """Leaves the process group."""
        if self.world_size > 1:
            distributed.destroy_process_group()
