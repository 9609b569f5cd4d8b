"""The model as an adversary with its weights in hand sees it: one differentiable function."""

from __future__ import annotations

from typing import Any

import torch
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

from model_handlers.manifest import Manifest
from model_handlers.networks.network import Network
from model_handlers.networks.reduction import reduction_of


class Victim(nn.Module):
    """Crops to the two logits that the toolbox expects: nought for real, the network's for fake.

    Its softmax is the network's probability, so that cross-entropy's gradient is that of the
    network's own loss. The noise residuals and the second look are part of it.

    Shapes:
        input: float (n, 3, s, s), RGB in 0..1; output: (n, 2).
    """

    def __init__(self, network: Network, manifest: Manifest) -> None:
        super().__init__()
        self.network, self.crop, self.reference = network, manifest.crop, manifest.reference
        self.reduction = reduction_of(manifest)

    def forward(self, pictures: Tensor) -> Tensor:
        crops = pictures * 255
        logits = self.network(crops)
        if self.reference is not None and self.reduction is not None:
            logits = logits - self.reference.weight * self.network(self.reduction(crops))
        return torch.stack([torch.zeros_like(logits), logits], dim=1)


def classifier(victim: Victim) -> Any:
    """The victim as the toolbox's classifier of (n, 3, s, s) arrays in 0..1."""
    for parameter in victim.parameters():  # nobody learns here, and gradients would cost time
        parameter.requires_grad_(False)
    size = victim.crop.size
    return PyTorchClassifier(
        model=victim.eval(),
        loss=nn.CrossEntropyLoss(),
        input_shape=(3, size, size),
        nb_classes=2,
        clip_values=(0.0, 1.0),
        device_type="gpu" if torch.cuda.is_available() else "cpu",
    )
