"""F3-Net: Xception over frequency planes.

Qian et al., ECCV 2020 (arXiv:2007.09355), without the cross attention between its branches, as in
the public implementations; see `frequency` for the planes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_handlers.network_specs import F3NetSpec
from model_handlers.networks.zoo.frequency import (
    FrequencyDecomposition,
    GradientPlanes,
    LocalStatistics,
)
from model_handlers.networks.zoo.xception import xception_body

_FAD_PLANES = 12


class F3Net(nn.Module):
    """One or both branches, their features side by side, and a linear layer.

    Shapes:
        input: (n, 3, s, s) in ±1; output: (n, classes).
    """

    def __init__(self, spec: F3NetSpec, size: int) -> None:
        super().__init__()
        self.branches = nn.ModuleDict()
        if spec.branches in {"fad", "both"}:
            planes = FrequencyDecomposition(size)
            self.branches["fad"] = nn.Sequential(planes, xception_body(_FAD_PLANES, 0))
        if spec.branches in {"lfs", "both"}:
            xception = xception_body(spec.bands, 0)
            xception.conv1.stride = (1, 1)  # type: ignore[assignment]
            self.branches["lfs"] = nn.Sequential(LocalStatistics(spec.window, spec.bands), xception)
        if spec.branches == "gradients":
            self.branches["gradients"] = nn.Sequential(
                GradientPlanes(), xception_body(_FAD_PLANES, 0)
            )
        self.fc = nn.Linear(2048 * len(self.branches), spec.classes)

    def forward(self, x: Tensor) -> Tensor:
        features = torch.cat([branch(x) for branch in self.branches.values()], dim=1)
        logits: Tensor = self.fc(features)
        return logits


def build_f3net(spec: F3NetSpec, size: int) -> nn.Module:
    """Builds F3-Net for crops of `size` pixels."""
    return F3Net(spec, size)
