"""Networks whose checkpoints have timm's or torchvision's own names."""

from __future__ import annotations

from typing import Any

from deepfake_serving.packaging.checkpoints.kinds.kind import Kind, always
from deepfake_serving.packaging.checkpoints.state import CheckpointError, State

_CLASSIFIERS = ("classifier.weight", "fc.weight", "head.weight")
_FAMILIES = {"efficientnet": "efficientnet", "resnet": "resnet", "xception": "xception"}


def _describe_timm(state: State, architecture: str | None) -> dict[str, Any]:
    if architecture is None:
        raise CheckpointError("timm: name the network with --architecture")
    family = next((name for name in _FAMILIES if name in architecture), None)
    if family is None:
        raise CheckpointError(f"timm: no {architecture!r} here; there are {', '.join(_FAMILIES)}")
    classes = next((len(state[name]) for name in _CLASSIFIERS if name in state), 0)
    if not classes:
        raise CheckpointError("timm: the checkpoint has no classifier")
    network: dict[str, Any] = {"name": _FAMILIES[family], "classes": classes}
    return {
        "network": network if family == "xception" else {**network, "architecture": architecture}
    }


TIMM = Kind(
    summary="An EfficientNet, ResNet or Xception of timm, fine-tuned; ResNets of torchvision too",
    repository="https://github.com/huggingface/pytorch-image-models",
    licence=None,
    describe=_describe_timm,
    rename=dict,
)
CNNDETECTION = Kind(
    summary="ResNet-50 that detects generated images (Wang et al. 2020)",
    repository="https://github.com/PeterWang512/CNNDetection",
    licence="CC-BY-NC-SA-4.0",
    describe=always(
        network={"name": "resnet", "architecture": "resnet50", "classes": 1},
        crop={"size": 224, "margin": 1.3},
    ),
    rename=dict,
)
