"""The interface of the networks that classify crops."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class ClassifierNetwork(nn.Module, ABC):
    """From crops to one logit each, in two steps so that each can be timed and has its precision.

    The state dict is the weights file. `explainable` networks also return a map of the crop.
    """

    explainable = False
    """Whether it has a heatmap; `Manifest.heatmap` says of which kind."""

    @abstractmethod
    def planes(self, crops: Tensor) -> Tensor:
        """(n, 3, s, s) RGB in 0..255 → normalised planes (n, channels, s, s), in fp32."""

    @abstractmethod
    def classify(self, planes: Tensor) -> Tensor:
        """Returns logits (n,), above zero for fake, of planes (n, channels, s, s)."""

    def explain(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Returns logits (n,), and a map (n, h, w) of what `Manifest.heatmap` names.

        Raises:
            NotImplementedError: the network is not explainable.
        """
        raise NotImplementedError(f"{type(self).__name__} has no heatmap")

    def forward(self, crops: Tensor) -> Tensor:
        return self.classify(self.planes(crops))
