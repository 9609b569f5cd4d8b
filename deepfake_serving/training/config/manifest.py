"""The manifest of the model that is trained."""

from __future__ import annotations

from deepfake_serving import assets
from deepfake_serving.training.config.training import TrainingConfig
from model_handlers.manifest import Manifest, read_manifest


def training_manifest(config: TrainingConfig) -> Manifest:
    """Reads the manifest that the settings name and applies their dropout.

    Without its synthesis head, which is fitted afterwards.
    """
    manifest = with_synthesis(read_manifest(assets.DATA / config.model), False)
    if config.dropout is None:
        return manifest
    head = manifest.head.model_copy(update={"dropout": config.dropout})
    return manifest.model_copy(update={"head": head})


def with_synthesis(manifest: Manifest, synthesis: bool) -> Manifest:
    """Returns the manifest of the same network with a synthesis head, or without."""
    head = manifest.head.model_copy(update={"synthesis": synthesis})
    return manifest.model_copy(update={"head": head})
