"""The manifest of the model that is trained."""

from __future__ import annotations

from deepfake_serving import assets
from deepfake_serving.training.config.training import TrainingConfig
from model_handlers.manifest import HeadSpec, Manifest, read_manifest


def training_manifest(config: TrainingConfig) -> Manifest:
    """Reads the manifest that the settings name and applies their dropout."""
    manifest = read_manifest(assets.DATA / config.model)
    if config.dropout is None:
        return manifest
    head = HeadSpec(channels=manifest.head.channels, dropout=config.dropout)
    return manifest.model_copy(update={"head": head})
