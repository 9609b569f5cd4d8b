"""ResNet, as in CNNDetection.

He et al., "Deep Residual Learning for Image Recognition" (arXiv:1512.03385); Wang et al.,
"CNN-generated images are surprisingly easy to spot... for now", CVPR 2020 (arXiv:1912.11035).
"""

from __future__ import annotations

import timm
from torch import nn

from model_handlers.network_specs import ResNetSpec


def build_resnet(spec: ResNetSpec, size: int) -> nn.Module:
    """Builds a ResNet of timm; its parameters have torchvision's names.

    Raises:
        ValueError: timm has no such ResNet.
    """
    if not spec.architecture.startswith("resnet") or not timm.is_model(spec.architecture):
        raise ValueError(f"network.architecture: timm has no ResNet {spec.architecture!r}")
    body: nn.Module = timm.create_model(
        spec.architecture, pretrained=False, num_classes=spec.classes
    )
    return body
