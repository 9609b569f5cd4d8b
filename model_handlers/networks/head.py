"""The heads: from the encoder's feature maps to one logit per face."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_handlers.manifest import HeadSpec
from model_handlers.networks.contributions import (
    max_contributions,
    mean_contributions,
    redistribute,
)


class CNNHead(nn.Module):
    """A 1x1 and a 3x3 convolution, mean and maximum pooling, and a linear layer.

    Maximum pooling responds to small regions such as a blending border; mean pooling dampens noise.

    Shapes:
        input: (n, features, h, w); output: (n,) logits, above zero for fake.
    """

    def __init__(self, spec: HeadSpec, features: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(features, spec.channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(spec.channels),
            nn.SiLU(),
            nn.Conv2d(spec.channels, spec.channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(spec.channels),
            nn.SiLU(),
        )
        self.dropout = nn.Dropout(spec.dropout)
        self.linear = nn.Linear(2 * spec.channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.decide(self.convolutions(features))

    def explain(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Returns logits (n,), and contributions (n, h, w): without the bias, their sum."""
        maps = self.convolutions(features)
        mean, highest = self.linear.weight[0].chunk(2)
        contributions = mean_contributions(maps, mean) + max_contributions(maps, highest)
        return self.decide(maps), contributions

    def decide(self, maps: Tensor) -> Tensor:
        """Pools the convolutions' output (n, channels, h, w) to logits (n,)."""
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        logits: Tensor = self.linear(self.dropout(pooled)).squeeze(1)
        return logits


class SynthesisHead(nn.Linear):
    """A linear layer on the mean features of several stages: is the face synthesised as a whole?

    Such a face has no blending border and no second camera, which the CNN head learns to find.
    Traces of upsampling are in earlier features: Durall et al., "Watch your Up-Convolution", CVPR
    2020 (arXiv:2003.01826).

    Shapes:
        input: a list of (n, channels_i, h_i, w_i), `features` channels in all; output: (n,) logits,
        above zero for synthesised.
    """

    def __init__(self, features: int) -> None:
        super().__init__(features, 1)

    def forward(self, stages: list[Tensor]) -> Tensor:  # type: ignore[override]
        logits: Tensor = super().forward(mean_features(stages)).squeeze(1)
        return logits

    def explain(self, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Returns logits (n,), and contributions (n, h, w) of the last stage's size.

        Without the bias, the logit is the contributions' sum.
        """
        weights = torch.split(self.weight[0], [maps.shape[1] for maps in stages])
        height, width = stages[-1].shape[2:]
        parts = [
            redistribute(mean_contributions(maps, weight), (height, width))
            for maps, weight in zip(stages, weights, strict=True)
        ]
        return self(stages), torch.stack(parts).sum(dim=0)


def mean_features(stages: list[Tensor]) -> Tensor:
    """Returns the means (n, features) of the stages' maps (n, channels_i, h_i, w_i)."""
    return torch.cat([maps.mean(dim=(2, 3)) for maps in stages], dim=1)
