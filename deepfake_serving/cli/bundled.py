"""Archives of the models that ship with the package, packed on first use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deepfake_serving import assets
from deepfake_serving.cli.output import note
from deepfake_serving.packaging.archive import build_archive


def bundled_archive(model: str) -> Path:
    """Returns the archive of a bundled model in the default folder, packed if it is missing."""
    for manifest in missing_archives([model]):
        note(f"packing {model} into {assets.archives()} (only the first time)")
        build_archive(manifest, assets.archives())
    return assets.archives() / f"{model}.mar"


def missing_archives(models: Sequence[str]) -> list[Path]:
    """Returns the manifests of those bundled models that have no archive in the default folder."""
    return [
        manifest
        for model in models
        if not (assets.archives() / f"{model}.mar").exists()
        and (manifest := assets.MANIFESTS / f"{model}.yaml").exists()
    ]
