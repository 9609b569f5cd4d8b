"""Manifests of networks that are small enough to train in tests."""

from __future__ import annotations

from typing import Any

LITE0_ENCODER = {"architecture": "tf_efficientnet_lite0"}
"""An encoder whose ImageNet weights are installed."""


def small_manifest(**fields: Any) -> dict[str, Any]:
    """Returns the content of a detector's manifest, with these fields in place of the usual ones.

    By default its encoder is timm's smallest EfficientNet, of a third of a million weights.
    """
    return {
        "name": "small",
        "version": "1.0",
        "task": "detector",
        "crop": {"size": 64},
        "encoder": {"architecture": "test_efficientnet"},
        **fields,
    }
