"""F3-Net with one or both branches, of its first public implementation."""

from __future__ import annotations

from typing import Any

from deepfake_serving.packaging.checkpoints.kinds.kind import Kind, prefixes
from deepfake_serving.packaging.checkpoints.state import State


def _describe(state: State, architecture: str | None) -> dict[str, Any]:
    fad, lfs = (any(n.startswith(f"{branch}_xcep.") for n in state) for branch in ("FAD", "LFS"))
    branches = "both" if fad and lfs else "lfs" if lfs else "fad"
    classes = len(state["fc.bias"]) if "fc.bias" in state else 1
    return {
        "network": {"name": "f3net", "branches": branches, "classes": classes},
        "input": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        "crop": {"size": 299, "margin": 1.3},
    }


F3NET = Kind(
    summary="F3-Net with FAD, LFS or both (Qian et al. 2020)",
    repository="https://github.com/yyk-wew/F3Net",
    licence=None,
    describe=_describe,
    rename=prefixes(
        FAD_head__="branches.fad.0.",
        FAD_xcep__="branches.fad.1.",
        LFS_head__="branches.lfs.0.",
        LFS_xcep__="branches.lfs.1.",
    ),
    superfluous={
        r"(FAD|LFS)_xcep\.(fc|last_linear)\..*": "Xception's own classes; `fc` replaced them",
        r"(FAD|LFS)_head\._DCT_(all|patch)(_T)?": "the DCT's matrix, a constant",
        r"(FAD|LFS)_head\.filters\.\d\.(base|ft_num)": "a band of frequencies, a constant",
    },
)
