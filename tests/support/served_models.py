"""Served models without archives, for tests that never open them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.packaging.archive import Archive
from model_handlers.manifest import parse_manifest

DIGEST = "sha256:" + "0" * 64


def served_model(
    task: str = "detector",
    *,
    workers: int = 1,
    batch_size: int = 4,
    batch_delay_ms: int = 1,
    **manifest: Any,
) -> ServedModel:
    """Returns a model with the name of its task, unless `manifest` overrides it."""
    given = {"name": task, "version": "1.0", "task": task} | manifest
    archive = Archive(Path(f"/nowhere/{given['name']}.mar"), parse_manifest(given, "test"), DIGEST)
    return ServedModel(archive, workers, batch_size, batch_delay_ms)
