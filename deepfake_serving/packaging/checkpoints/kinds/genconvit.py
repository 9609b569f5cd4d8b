"""GenConViT (Deressa et al. 2023, arXiv:2307.07036): both networks, or either."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from deepfake_serving.packaging.checkpoints.kinds.kind import Kind
from deepfake_serving.packaging.checkpoints.state import CheckpointError, State

_PREFIXES = {"ed": "model_ed.", "vae": "model_vae."}
"""Names of the networks in the module that holds both."""
_RENAMES = (
    (r"(encoder|decoder)\.features\.", r"generator.\1."),
    (r"encoder\.mu\.", "generator.mu."),
    (r"convnext_backbone\.", "backbone."),
)


def _describe(state: State, architecture: str | None) -> dict[str, Any]:
    found = [each for each, prefix in _PREFIXES.items() if any(n.startswith(prefix) for n in state)]
    return {
        "network": {
            "name": "genconvit",
            "architecture": architecture or "convnext_tiny",
            "networks": found[0] if len(found) == 1 else "both",
        },
        "input": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        "crop": {"size": 224, "margin": 1.0, "shape": "stretched"},
        "fake_class": 0,
    }


def _join(states: Sequence[State]) -> State:
    """Puts each network of a file of its own under its name in the module that holds both.

    Raises:
        CheckpointError: two files hold the same network.
    """
    joined: State = {}
    for state in states:
        prefix = _prefix(state)
        renamed = {prefix + name: value for name, value in state.items()}
        if twice := sorted(set(joined) & set(renamed)):
            raise CheckpointError(f"two files hold the same network: {twice[0]}")
        joined |= renamed
    return joined


def _prefix(state: State) -> str:
    if any(name.startswith(tuple(_PREFIXES.values())) for name in state):
        return ""
    variational = any(name.startswith("convnext_backbone.") for name in state)
    return _PREFIXES["vae" if variational else "ed"]


def _rename(state: State) -> State:
    return {_renamed(name): value for name, value in state.items()}


def _renamed(name: str) -> str:
    for network, prefix in _PREFIXES.items():
        if name.startswith(prefix):
            own = name.removeprefix(prefix)
            for old, new in _RENAMES:
                own = re.sub(f"^{old}", new, own)
            return f"networks.{network}.{own}"
    return name


GENCONVIT = Kind(
    summary="GenConViT's networks ED and VAE, from one file each or of both (Deressa et al. 2023)",
    repository="https://github.com/erprogs/GenConViT",
    licence="CC-BY-NC-4.0",
    describe=_describe,
    rename=_rename,
    join=_join,
    superfluous={
        r"model_(ed|vae)\.embedder\..*": "a Swin transformer that no output depends on",
        r"model_(ed|vae)\.(convnext_)?backbone\.patch_embed\..*": "the same Swin transformer, as "
        "an attribute that ConvNeXt never calls",
        r"model_vae\.encoder\.(fc1|fc2)\..*": "never called",
        r"model_vae\.encoder\.var\..*": "the latent variances, for the loss in training",
        r"model_vae\.fc3\..*": "never called",
    },
)
