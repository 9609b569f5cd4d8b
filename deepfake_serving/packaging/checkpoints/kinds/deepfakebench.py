"""DeepfakeBench's detectors (Yan et al. 2023, arXiv:2307.01426)."""

from __future__ import annotations

from deepfake_serving.packaging.checkpoints.kinds.efficientnet_pytorch import (
    NOMINAL_SIZE,
    rename_b4,
)
from deepfake_serving.packaging.checkpoints.kinds.kind import Kind, always, prefixes
from deepfake_serving.packaging.checkpoints.state import State

_REPOSITORY = "https://github.com/SCLBD/DeepfakeBench"
_LICENCE = "CC-BY-NC-4.0"
_HALVES = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
_CROP = {"size": 256, "margin": 1.3, "align": "landmarks"}
_ADJUST = {r"backbone\.adjust_channel\..*": "used by other detectors of the same backbone only"}


def _rename_b4(state: State) -> State:
    return prefixes(backbone__last_layer__="classifier.")(
        rename_b4(state, "backbone.efficientnet.")
    )


XCEPTION = Kind(
    summary="Xception of DeepfakeBench",
    repository=_REPOSITORY,
    licence=_LICENCE,
    describe=always(network={"name": "xception", "classes": 2}, input=_HALVES, crop=_CROP),
    rename=prefixes(backbone__last_linear__="fc.", backbone__=""),
    superfluous=_ADJUST,
)
EFFICIENTNET_B4 = Kind(
    summary="EfficientNet-B4 of DeepfakeBench",
    repository=_REPOSITORY,
    licence=_LICENCE,
    describe=always(
        network={
            "name": "efficientnet",
            "architecture": "tf_efficientnet_b4",
            "classes": 2,
            "padded_for": NOMINAL_SIZE,
            "stem_padding": False,
        },
        input=_HALVES,
        crop=_CROP,
    ),
    rename=_rename_b4,
    superfluous=_ADJUST,
)
F3NET = Kind(
    summary="F3-Net's FAD branch, of DeepfakeBench",
    repository=_REPOSITORY,
    licence=_LICENCE,
    describe=always(
        network={"name": "f3net", "branches": "fad", "classes": 2}, input=_HALVES, crop=_CROP
    ),
    rename=prefixes(
        backbone__last_linear__="fc.",
        backbone__="branches.fad.1.",
        FAD_head__="branches.fad.0.",
    ),
    superfluous=_ADJUST
    | {
        r"FAD_head\._DCT_all(_T)?": "the DCT's matrix, a constant",
        r"FAD_head\.filters\.\d\.base": "a band of frequencies, a constant",
    },
)
