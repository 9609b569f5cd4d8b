"""EfficientNets with a linear head: DFDC's first prize, self-blended images, ICPR 2020."""

from __future__ import annotations

from typing import Any

from deepfake_serving.packaging.checkpoints.kinds.efficientnet_pytorch import (
    NOMINAL_SIZE,
    rename_b4,
)
from deepfake_serving.packaging.checkpoints.kinds.kind import Kind, always, prefixes
from deepfake_serving.packaging.checkpoints.state import State

_B4 = {"name": "efficientnet", "architecture": "tf_efficientnet_b4"}
_ATTENTION = "efficientnet.attconv."
_ATTENTIVE_STAGE = 2


def _rename_sbi(state: State) -> State:
    return rename_b4(state, "net.")


def _describe_icpr(state: State, architecture: str | None) -> dict[str, Any]:
    attention = any(name.startswith(_ATTENTION) for name in state)
    network = _B4 | {"classes": 1, "padded_for": NOMINAL_SIZE}
    return {
        "network": network | ({"attention_after": _ATTENTIVE_STAGE} if attention else {}),
        "crop": {"size": 224, "margin": 1.25, "border": "black"},
    }


def _rename_icpr(state: State) -> State:
    attention = {name: value for name, value in state.items() if name.startswith(_ATTENTION)}
    rest = {name: value for name, value in state.items() if name not in attention}
    prefix = "net." if attention else ""
    renamed = prefixes(classifier__=f"{prefix}classifier.")(
        rename_b4(rest, "efficientnet.", prefix)
    )
    moved = {f"attention.{n.removeprefix(_ATTENTION)}": value for n, value in attention.items()}
    return renamed | moved


SELIMSEF = Kind(
    summary="EfficientNet-B7 of DFDC's first prize (Seferbekov 2020)",
    repository="https://github.com/selimsef/dfdc_deepfake_challenge",
    licence="MIT",
    describe=always(
        network={"name": "efficientnet", "architecture": "tf_efficientnet_b7", "classes": 1},
        crop={"size": 380, "margin": 1.6667, "shape": "box"},
    ),
    rename=prefixes(encoder__="", fc__="classifier."),
    superfluous={r"encoder\.classifier\.(weight|bias)": "ImageNet's classes; `fc` replaced them"},
)
SBI = Kind(
    summary="EfficientNet-B4 trained on self-blended images (Shiohara & Yamasaki 2022)",
    repository="https://github.com/mapooon/SelfBlendedImages",
    licence="LicenseRef-SBI-noncommercial-research",
    describe=always(
        network=_B4 | {"classes": 2},
        input={"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]},
        crop={"size": 380, "margin": 1.25, "shape": "stretched"},
    ),
    rename=_rename_sbi,
)
ICPR2020 = Kind(
    summary="EfficientNet-B4, or B4Att with attention (Bonettini et al. 2020)",
    repository="https://github.com/polimi-ispl/icpr2020dfdc",
    licence="GPL-3.0-only",
    describe=_describe_icpr,
    rename=_rename_icpr,
)
