"""The attacked model as one differentiable function: the white-box threat model."""

from __future__ import annotations

from typing import Any

import torch
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

from model_handlers.manifest import Manifest
from model_handlers.networks.network import Network
from model_handlers.networks.reduction import reduction_of


class TargetModel(nn.Module):
    """Maps crops to the two logits that ART expects: zero for real, the network's for fake.

    Their softmax is the probability of the network, so the gradient of cross-entropy is that of the
    network's own loss. Noise residuals and the reference prediction are part of the function.

    Shapes:
        input: float (n, 3, s, s), RGB in 0..1; output: (n, 2).
    """

    def __init__(self, network: Network, manifest: Manifest) -> None:
        super().__init__()
        self.network, self.crop, self.reference = network, manifest.crop, manifest.reference
        self.reduction = reduction_of(manifest)

    def forward(self, images: Tensor) -> Tensor:
        crops = images * 255
        logits = self.network(crops)
        if self.reference is not None and self.reduction is not None:
            logits = logits - self.reference.weight * self.network(self.reduction(crops))
        return torch.stack([torch.zeros_like(logits), logits], dim=1)


def art_classifier(model: TargetModel) -> Any:
    """Wraps the model as ART's classifier of (n, 3, s, s) arrays in 0..1."""
    for parameter in model.parameters():  # attacks need gradients of the input only
        parameter.requires_grad_(False)
    size = model.crop.size
    return PyTorchClassifier(
        model=model.eval(),
        loss=nn.CrossEntropyLoss(),
        input_shape=(3, size, size),
        nb_classes=2,
        clip_values=(0.0, 1.0),
        device_type="gpu" if torch.cuda.is_available() else "cpu",
    )
