"""The network as it is exported for CPUs: from noise planes, which NumPy computes faster."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_handlers.manifest import Manifest
from model_handlers.networks.network import Network
from model_handlers.srm_kernels import KERNELS


class PlanesModule(nn.Module):
    """The network after `pipeline.crops.noise.NoisePlanes`.

    Shapes:
        input: int8 (n, channels, s, s); output: (n,) logits, (n, s/32, s/32) contributions.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, network: Network, manifest: Manifest) -> None:
        super().__init__()
        self.network = network
        noise = manifest.noise
        units = [1 / (noise.truncation * KERNELS[name][1]) for name in noise.kernels]
        scale, offset = torch.tensor(units * 3), torch.zeros(3 * len(units))
        if network.rgb:
            mean, std = network.mean.flatten(), network.std.flatten()
            scale = torch.cat([1 / std, scale])
            offset = torch.cat([(128 - mean) / std, offset])
        self.channels = len(scale)
        self.register_buffer("scale", scale.view(1, -1, 1, 1), persistent=False)
        self.register_buffer("offset", offset.view(1, -1, 1, 1), persistent=False)

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.explain(planes.float() * self.scale + self.offset)
