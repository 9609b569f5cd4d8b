"""MTCNN's three networks of facenet-pytorch, from 8-bit images to offsets and scores."""

from __future__ import annotations

from collections.abc import Mapping

from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from torch import Tensor, nn

STAGES: dict[str, type[nn.Module]] = {"pnet": PNet, "rnet": RNet, "onet": ONet}
SIDES = {"pnet": None, "rnet": 24, "onet": 48}
"""Input sides in pixels; P-Net accepts any size."""


class Stage(nn.Module):
    """One of the three: uint8 (n, h, w, 3) → offsets, landmarks (O-Net only), scores of a face."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        *others, probabilities = self.net((images.permute(0, 3, 1, 2).float() - 127.5) / 128)
        return (*others, probabilities[:, 1])


def build_stage(name: str, weights: Mapping[str, Tensor]) -> Stage:
    """Builds one network; `weights` holds all three under `pnet.`, `rnet.` and `onet.`."""
    net = STAGES[name](pretrained=False)
    prefix = f"{name}."
    net.load_state_dict(
        {
            key.removeprefix(prefix): value
            for key, value in weights.items()
            if key.startswith(prefix)
        }
    )
    return Stage(net).eval()
