"""UCF: Xception whose features are split, of which those common to all forgeries decide.

Yan et al., "UCF: Uncovering Common Features for Generalizable Deepfake Detection", ICCV 2023
(arXiv:2304.13949). The encoder of content, the decoder and the head for specific forgeries serve
training alone and are not here.
"""

from __future__ import annotations

from torch import Tensor, nn

from model_handlers.network_specs import UcfSpec
from model_handlers.networks.zoo.xception import xception_body

_XCEPTION = 2048


class Ucf(nn.Module):
    """Xception, a reduction of its channels, the common half of them, and a perceptron.

    Shapes:
        input: (n, 3, s, s) in ±1; output: (n, classes).
    """

    def __init__(self, spec: UcfSpec) -> None:
        super().__init__()
        half = spec.width // 2
        self.encoder = xception_body(3, 0)
        self.encoder.act4 = nn.Identity()  # the reduction has its own activation
        self.reduction = nn.Sequential(
            nn.Conv2d(_XCEPTION, spec.width, 1), nn.BatchNorm2d(spec.width), nn.ReLU()
        )
        self.common = nn.Sequential(
            nn.Conv2d(spec.width, half, 1),
            nn.LeakyReLU(),
            nn.Conv2d(half, half, 1),
            nn.LeakyReLU(),
            nn.Conv2d(half, half, 1),
        )
        self.head = nn.Sequential(
            nn.Linear(half, spec.width), nn.LeakyReLU(), nn.Linear(spec.width, spec.classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        features = self.encoder.forward_features(x)  # type: ignore[operator]
        pooled = self.common(self.reduction(features)).mean(dim=(2, 3))
        logits: Tensor = self.head(pooled)
        return logits


def build_ucf(spec: UcfSpec, size: int) -> nn.Module:
    """Builds UCF for crops of any size."""
    return Ucf(spec)
