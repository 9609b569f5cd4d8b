"""Teachers of a training run: frozen networks whose summed logits the student also learns."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from deepfake_serving.training.config.manifest import with_synthesis
from deepfake_serving.training.config.training import DistillationConfig
from deepfake_serving.training.data.loader import Batch
from model_handlers.manifest import Manifest
from model_handlers.networks.network import Network, build_network


class Teachers(nn.Module):
    """An ensemble of networks of one manifest, each with a synthesis head or without.

    Raises:
        FileNotFoundError: a teacher's weights do not exist.
    """

    def __init__(self, config: DistillationConfig, manifest: Manifest) -> None:
        super().__init__()
        self.scales = [teacher.scale for teacher in config.teachers]
        self.networks = nn.ModuleList(_read(t.weights, manifest) for t in config.teachers)
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, crops: Tensor) -> Tensor:
        """Maps uint8 crops (n, 3, s, s) to the ensemble's fake probabilities (n,)."""
        logits = [
            scale * network(crops.float())
            for scale, network in zip(self.scales, self.networks, strict=True)
        ]
        return torch.stack(logits).sum(0).sigmoid()


def _read(path: Path, manifest: Manifest) -> Network:
    """Reads a teacher, with its synthesis head if it has one."""
    state = load_file(path)
    network = build_network(with_synthesis(manifest, "synthesis.weight" in state))
    network.load_state_dict(state)
    return network


def distillation_loss(logits: Tensor, probabilities: Tensor) -> Tensor:
    """Computes the cross-entropy of the student's logits (n,) to the teachers' probabilities."""
    return functional.binary_cross_entropy_with_logits(logits, probabilities)


def mix(batch: Batch, generator: torch.Generator) -> Batch:
    """Blends a batch with a permutation of itself (mixup, Zhang et al. 2018, arXiv:1710.09412)."""
    crops, labels, masks = batch
    order = torch.randperm(len(crops), generator=generator)
    share = float(torch.rand((), generator=generator))
    mixed = torch.lerp(crops[order].float(), crops.float(), share).round().to(crops.dtype)
    return mixed, labels[order].lerp(labels, share), masks[order].lerp(masks, share)
