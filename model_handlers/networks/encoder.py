"""The encoder: an EfficientNet of timm without its classifier."""

from __future__ import annotations

from typing import cast

import timm
from timm.models.efficientnet import EfficientNet
from torch import Tensor

from model_handlers.manifest import EncoderSpec, ManifestError

_STAGES = 3
"""Stages that the synthesis head reads. The two before add nothing and take time to pool."""


def build_encoder(spec: EncoderSpec, channels: int) -> tuple[EfficientNet, int]:
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
    return cast(EfficientNet, encoder), cast(int, encoder.num_features)


def stage_features(encoder: EfficientNet) -> int:
    """Counts the channels of the maps that `stage_maps` returns."""
    return sum(stage["num_chs"] for stage in encoder.feature_info[-_STAGES:])


def stage_maps(encoder: EfficientNet, planes: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Returns the encoder's feature map, and the maps (n, channels, h, w) of its last stages.

    A stage ends before the resolution is halved: these have an 8th, a 16th and a 32nd of the
    crop's.
    """
    return cast(tuple[Tensor, list[Tensor]], encoder.forward_intermediates(planes, indices=_STAGES))
