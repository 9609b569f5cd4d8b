"""All between 8-bit crops and logits, as one module: what is exported, packed and run."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from model_handlers.manifest import Manifest, ManifestError
from model_handlers.networks.network import Network, build_network
from model_handlers.networks.reduction import reduction_of


class InferenceModule(nn.Module):
    """The network and, where the manifest has one, the second look, subtracted.

    The noise residuals are taken in fp32, which bf16's 8 bits would drown; the rest is computed in
    `dtype`.

    Shapes:
        input: uint8 (n, s, s, 3) RGB; output: (n,) logits before calibration.
    """

    def __init__(
        self, network: Network, manifest: Manifest, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.network, self.crop, self.reference = network, manifest.crop, manifest.reference
        self.reduction, self.dtype = reduction_of(manifest), dtype

    def forward(self, crops: Tensor) -> Tensor:
        planes = crops.permute(0, 3, 1, 2).float()
        logits = self._look(planes)
        if self.reference is None or self.reduction is None:
            return logits
        return logits - self.reference.weight * self._look(self.reduction(planes))

    def _look(self, crops: Tensor) -> Tensor:
        planes = self.network.planes(crops)
        if self.dtype == torch.float32:
            return self.network.judge(planes)
        planes = planes.contiguous(memory_format=torch.channels_last)
        with torch.autocast(planes.device.type, self.dtype):
            return self.network.judge(planes).float()


def load_network(manifest: Manifest, weights: Mapping[str, Tensor] | None) -> Network:
    """The manifest's network with these weights; without any, the untrained one.

    Raises:
        ManifestError: the weights are of another network.
    """
    network = build_network(manifest)
    if weights is not None:
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:  # missing, unexpected or misshapen tensors
            raise ManifestError(f"{manifest.name}: weights.file: {error}") from error
    return network
