"""Named networks: a manifest's `network`, with its normalisation and its classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from model_handlers.manifest import Manifest, ManifestError
from model_handlers.networks.classifier_network import ClassifierNetwork
from model_handlers.networks.contributions import mean_contributions
from model_handlers.networks.rollout import rollout
from model_handlers.networks.zoo.detr import build_detr
from model_handlers.networks.zoo.efficientnet import build_efficientnet
from model_handlers.networks.zoo.effort import build_effort
from model_handlers.networks.zoo.f3net import build_f3net
from model_handlers.networks.zoo.genconvit import build_genconvit
from model_handlers.networks.zoo.mesonet import build_mesonet
from model_handlers.networks.zoo.resnet import build_resnet
from model_handlers.networks.zoo.two_stream import build_two_stream
from model_handlers.networks.zoo.ucf import build_ucf
from model_handlers.networks.zoo.xception import build_xception

BUILDERS: dict[str, Callable[[Any, int], nn.Module]] = {
    "meso4": build_mesonet,
    "meso_inception4": build_mesonet,
    "xception": build_xception,
    "efficientnet": build_efficientnet,
    "detr": build_detr,
    "f3net": build_f3net,
    "effort": build_effort,
    "resnet": build_resnet,
    "two_stream": build_two_stream,
    "ucf": build_ucf,
    "genconvit": build_genconvit,
}
"""Name → function of the network's spec and the crop's side in pixels."""


class NamedNetwork(ClassifierNetwork):
    """A network of the zoo; its parameters are below `body.`."""

    mean: Tensor
    std: Tensor

    def __init__(self, manifest: Manifest) -> None:
        super().__init__()
        assert manifest.network is not None
        try:
            self.body = BUILDERS[manifest.network.name](manifest.network, manifest.crop.size)
        except ValueError as error:
            raise ManifestError(f"{manifest.name}: {error}") from error
        self.flipped = manifest.input.colour_order == "bgr"
        self.sign = 1 if manifest.fake_class == 1 else -1
        self.explainable, self.heatmap = manifest.heatmap is not None, manifest.heatmap
        for name in ("mean", "std"):
            values = torch.tensor(getattr(manifest.input, name)).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def planes(self, crops: Tensor) -> Tensor:
        """(n, 3, s, s) RGB in 0..255 → (n, 3, s, s), normalised, in the network's colour order."""
        planes = crops.flip(1) if self.flipped else crops
        return (planes / 255 - self.mean) / self.std

    def classify(self, planes: Tensor) -> Tensor:
        """Returns logits (n,) of planes (n, 3, s, s)."""
        return self.sign * single_logit(self.body(planes))

    def explain(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Returns logits (n,), and contributions (n, h, w) of the last feature map or a rollout."""
        if not self.explainable:
            return super().explain(planes)
        body: Any = self.body
        if self.heatmap == "attention_rollout":
            features, shares = rollout(body, planes)
            return self.sign * single_logit(body.forward_head(features)), shares
        features = body.forward_features(planes)
        outputs = body.forward_head(features)
        weights = logit_gradient(outputs) @ body.get_classifier().weight
        return self.sign * single_logit(outputs), self.sign * mean_contributions(features, weights)


def single_logit(outputs: Tensor) -> Tensor:
    """Returns the logit (n,) of all classes but the first, from outputs (n, classes).

    Its sigmoid is their share of the softmax. A single output is the logit itself.
    """
    if outputs.shape[1] == 1:
        return outputs[:, 0]
    if outputs.shape[1] == 2:
        return outputs[:, 1] - outputs[:, 0]
    return outputs[:, 1:].logsumexp(dim=1) - outputs[:, 0]


def logit_gradient(outputs: Tensor) -> Tensor:
    """Returns the derivative of `single_logit` by each output, (n, classes)."""
    if outputs.shape[1] == 1:
        return torch.ones_like(outputs)
    others = outputs[:, 1:].softmax(dim=1)
    return torch.cat([-torch.ones_like(outputs[:, :1]), others], dim=1)
