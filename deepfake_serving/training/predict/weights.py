"""The weights that a manifest pins, in `model_store/`."""

from __future__ import annotations

from pathlib import Path

from deepfake_serving.assets import MODEL_STORE
from deepfake_serving.packaging.archive import digest_of
from model_handlers.manifest import Manifest, ManifestError


def pinned_weights(manifest: Manifest) -> Path | None:
    """Returns the path of the weights that the manifest names; None if it names none.

    Raises:
        ManifestError: they are missing or have another digest.
    """
    if manifest.weights is None:
        return None
    path = MODEL_STORE / manifest.weights.file
    if not path.is_file() or digest_of(path) != f"sha256:{manifest.weights.sha256}":
        raise ManifestError(f"{manifest.name}: {manifest.weights.file}: missing or of other sha256")
    return path
