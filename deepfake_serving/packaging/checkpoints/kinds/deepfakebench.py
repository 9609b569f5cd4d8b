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
UCF = Kind(
    summary="UCF over Xception, of DeepfakeBench",
    repository=_REPOSITORY,
    licence=_LICENCE,
    describe=always(network={"name": "ucf", "classes": 2}, input=_HALVES, crop=_CROP),
    rename=prefixes(
        encoder_f__adjust_channel__="reduction.",
        encoder_f__="encoder.",
        block_sha__conv2d__="common.",
        head_sha__mlp__="head.",
    ),
    superfluous={
        r"encoder_f\.last_linear\..*": "the head classifies other features",
        r"encoder_c\..*": "the encoder of content, for training",
        r"con_gan\..*": "the decoder, for training",
        r"(block|head)_spe\..*": "the kind of forgery, for training",
    },
)
SRM = Kind(
    summary="Two streams of Xception, over colours and SRM residuals, of DeepfakeBench",
    repository=_REPOSITORY,
    licence=_LICENCE,
    describe=always(network={"name": "two_stream", "classes": 2}, input=_HALVES, crop=_CROP),
    rename=prefixes(
        backbone_rgb__last_linear__="fc.",
        backbone_rgb__="colours.",
        backbone_srm__="noise.",
        srm_conv1__="residuals1.",
        srm_conv2__="residuals2.",
        srm_sa__pa__conv__="attention.weigh.",
        srm_sa__="attention.",
        srm_sa_post__="attended.",
        dual_cma0__="cross0.",
        dual_cma1__="cross1.",
        fusion__ca__sharedMLP__="fusion.weigh.",
    ),
    superfluous={
        r"backbone_(rgb|srm)\.adjust_channel\..*": "used by other detectors of the backbone only",
        r"backbone_srm\.last_linear\..*": "the head of the other stream classifies",
        r"(srm_conv\d|srm_sa\.srm)\.kernel": "filters of the spatial rich model, constants",
        r"blur\.weight": "blurs in training",
    },
)
