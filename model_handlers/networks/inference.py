"""The inference module: from 8-bit crops to logits, as it is exported and served."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from model_handlers.manifest import Manifest, ManifestError
from model_handlers.networks.classifier_network import ClassifierNetwork
from model_handlers.networks.named import NamedNetwork
from model_handlers.networks.network import build_network
from model_handlers.networks.reduction import reduction_of


class InferenceModule(nn.Module):
    """The network, minus its weighted logit at a lower resolution if the manifest has a reference.

    The noise residuals are computed in fp32, because bf16's 8 bits are not enough for them; the
    rest is computed in `dtype`.

    Shapes:
        input: uint8 (n, s, s, 3) RGB; output: (n,) logits before calibration.
    """

    def __init__(
        self,
        network: ClassifierNetwork,
        manifest: Manifest,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.network, self.crop, self.reference = network, manifest.crop, manifest.reference
        self.reduction, self.dtype = reduction_of(manifest), dtype
        self.rolled_out = manifest.heatmap == "attention_rollout"

    def forward(self, crops: Tensor) -> Tensor:
        planes = crops.permute(0, 3, 1, 2).float()
        logits = self._logits(planes)
        if self.reference is None or self.reduction is None:
            return logits
        return logits - self.reference.weight * self._logits(self.reduction(planes))

    def _logits(self, crops: Tensor) -> Tensor:
        return self._run(lambda planes: (self.network.classify(planes),), crops)[0]

    def _run(self, network: Callable[[Tensor], tuple[Tensor, ...]], crops: Tensor) -> list[Tensor]:
        planes = self.network.planes(crops)
        if self.dtype == torch.float32:
            return list(network(planes))
        planes = planes.contiguous(memory_format=torch.channels_last)
        with torch.autocast(planes.device.type, self.dtype):
            return [output.float() for output in network(planes)]


class ExplainedModule(InferenceModule):
    """The same with maps, whose cost is small: see docs/models/heatmaps.md.

    A rollout is that of the first pass, since it is not a part of the logit.

    Shapes:
        input: uint8 (n, s, s, 3) RGB; output: (n,) logits, (n, h, w) contributions or shares.
    """

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        planes = crops.permute(0, 3, 1, 2).float()
        logits, maps = self._explained(planes)
        if self.reference is None or self.reduction is None:
            return logits, maps
        others, other_maps = self._explained(self.reduction(planes))
        weight = self.reference.weight
        logits = logits - weight * others
        return logits, maps if self.rolled_out else maps - weight * other_maps

    def _explained(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        logits, maps = self._run(self.network.explain, crops)
        return logits, maps


def served_module(
    network: ClassifierNetwork, manifest: Manifest, dtype: torch.dtype = torch.float32
) -> InferenceModule:
    """Builds the module that is served: with maps, if the network is explainable."""
    kind = ExplainedModule if network.explainable else InferenceModule
    return kind(network, manifest, dtype)


def load_network(manifest: Manifest, weights: Mapping[str, Tensor] | None) -> ClassifierNetwork:
    """Builds the manifest's network with weights, or untrained without any.

    Raises:
        ManifestError: the weights are of another architecture.
    """
    network = build_classifier_network(manifest)
    if weights is not None:
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:  # missing, unexpected or misshapen tensors
            raise ManifestError(f"{manifest.name}: weights.file: {error}") from error
    return network


def build_classifier_network(manifest: Manifest, seed: int = 0) -> ClassifierNetwork:
    """Builds the manifest's network, named or ours, untrained and in evaluation mode.

    Raises:
        ManifestError: there is no such network, or it does not fit the crop's size.
    """
    if manifest.network is None:
        return build_network(manifest, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NamedNetwork(manifest).eval()
