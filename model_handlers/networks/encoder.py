"""The encoder: an EfficientNet of timm without its classifier."""

from __future__ import annotations

from typing import cast

import timm
from torch import nn

from model_handlers.manifest import EncoderSpec, ManifestError


def build_encoder(spec: EncoderSpec, channels: int) -> tuple[nn.Module, int]:
    """Builds an untrained EfficientNet (Tan & Le 2019, arXiv:1905.11946; V2: arXiv:2104.00298).

    Args:
        spec: names the timm architecture, e.g. `efficientnet_b0` or `tf_efficientnetv2_s`.
        channels: input planes; 3 for RGB, more with noise residuals.

    Returns:
        A module from (n, channels, s, s) to the feature map (n, features, s/32, s/32), and
        `features`.

    Raises:
        ManifestError: timm has no such EfficientNet.
    """
    if "efficientnet" not in spec.architecture or not timm.is_model(spec.architecture):
        raise ManifestError(f"encoder.architecture: timm has no EfficientNet {spec.architecture!r}")
    encoder = timm.create_model(
        spec.architecture, pretrained=False, in_chans=channels, num_classes=0, global_pool=""
    )
    return encoder, cast(int, encoder.num_features)
