"""Names of efficientnet_pytorch's EfficientNet-B4, as timm has them."""

from __future__ import annotations

import re

from deepfake_serving.packaging.checkpoints.state import CheckpointError, State

NOMINAL_SIZE = 380
"""Input size of B4, for which efficientnet_pytorch computes its paddings."""

_REPEATS = (2, 4, 4, 6, 6, 8, 2)
_SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
_SEPARABLE = {
    **{"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"},
    **_SQUEEZE,
}
_INVERTED = {
    **{"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"},
    **{"_project_conv": "conv_pwl", "_bn2": "bn3"},
    **_SQUEEZE,
}
_OUTSIDE = {
    **{"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"},
    "_fc": "classifier",
}


def rename_b4(state: State, old: str, new: str = "") -> State:
    """Renames the tensors below the prefix `old` to timm's names below `new`; keeps the others."""
    return {
        new + _renamed(name.removeprefix(old)) if name.startswith(old) else name: value
        for name, value in state.items()
    }


def _renamed(name: str) -> str:
    block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(.+)", name)
    module, _, rest = name.partition(".")
    if block is None:
        return f"{_OUTSIDE.get(module, module)}.{rest}"
    stage, position = _place(int(block[1]))
    names = _INVERTED if stage else _SEPARABLE
    return f"blocks.{stage}.{position}.{names.get(block[2], block[2])}.{block[3]}"


def _place(index: int) -> tuple[int, int]:
    """Returns a block's stage and its position in that."""
    for stage, repeats in enumerate(_REPEATS):
        if index < repeats:
            return stage, index
        index -= repeats
    raise CheckpointError(f"EfficientNet-B4 has {sum(_REPEATS)} blocks, the checkpoint more")
