"""Xception, the network of FaceForensics++ and of many detectors since.

Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017
(arXiv:1610.02357); as a detector: Rössler et al. 2019 (arXiv:1901.08971).
"""

from __future__ import annotations

import timm
from torch import nn

from model_handlers.network_specs import XceptionSpec


def build_xception(spec: XceptionSpec, size: int) -> nn.Module:
    """Builds timm's `legacy_xception`, the port that published weights belong to."""
    return xception_body(3, spec.classes)


def xception_body(channels: int, classes: int) -> nn.Module:
    """Builds Xception for planes (n, channels, s, s); without classes it returns features."""
    body: nn.Module = timm.create_model(
        "legacy_xception", pretrained=False, in_chans=channels, num_classes=classes
    )
    return body
