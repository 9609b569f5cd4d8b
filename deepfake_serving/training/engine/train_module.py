"""The module that is trained: the network and an auxiliary head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_handlers.networks.network import Network


class TrainModule(nn.Module):
    """The network, and a 1x1 convolution on its last feature maps that predicts the blend mask.

    The mask loss makes the network localize a blend, not only detect it. The convolution is
    discarded after training.
    """

    def __init__(self, network: Network, channels: int) -> None:
        super().__init__()
        self.network = network
        self.mask = nn.Conv2d(channels, 1, kernel_size=1)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Maps uint8 (n, 3, s, s) to logits (n,) and mask logits (n, s/32, s/32)."""
        with torch.autocast(crops.device.type, enabled=False):  # residuals are small differences
            planes = self.network.planes(crops.float())
        planes = planes.contiguous(memory_format=torch.channels_last)
        maps = self.network.head.convolutions(self.network.encoder(planes))
        return self.network.head.decide(maps), self.mask(maps).squeeze(1)
