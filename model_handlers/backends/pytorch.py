"""The networks as torch runs them, on a GPU or a CPU."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from model_handlers.manifest import Manifest
from model_handlers.networks.judging import Judging, filled_network
from model_handlers.networks.mtcnn import STAGES, build_stage
from model_handlers.networks.network import Network
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.graph import Cascade, Floats, Graph

_AT_MOST = 512
"""Pictures at once: a crowd's candidates would fill the memory."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class TorchGraph:
    """A module on its device; pictures travel from pinned memory to a GPU."""

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module = module.eval().to(device).to(memory_format=torch.channels_last)
        self.device = device

    @torch.inference_mode()
    def __call__(self, images: Pixels) -> tuple[Floats, ...]:
        batch = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        parts = [self._run(chunk) for chunk in torch.split(batch, _AT_MOST)]
        return tuple(torch.cat(part).float().cpu().numpy() for part in zip(*parts, strict=True))

    def _run(self, batch: Tensor) -> tuple[Tensor, ...]:
        if self.device.type == "cuda":
            batch = batch.pin_memory()
        outputs = self.module(batch.to(self.device, non_blocking=True))
        return outputs if isinstance(outputs, tuple) else (outputs,)


def cascade(weights: Mapping[str, Tensor], device: torch.device) -> Cascade:
    """MTCNN's networks, in fp32: torch's autocast fails in them.

    Args:
        weights: as `networks.mtcnn.build_stage` takes them.
    """
    return Cascade(*(TorchGraph(build_stage(name, weights), device) for name in STAGES))


def judge(
    manifest: Manifest, weights: Network | Mapping[str, Tensor] | None, device: torch.device
) -> Graph:
    """The manifest's network in its precision: crops (n, s, s, 3) → logits (n,).

    Raises:
        ManifestError: the weights are of another network.
    """
    network = weights if isinstance(weights, Network) else filled_network(manifest, weights)
    return TorchGraph(Judging(network, manifest, _DTYPES[manifest.precision]), device)
