"""Archives of the bundled models, packed on first use and after an upgrade."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deepfake_serving import assets
from deepfake_serving.cli.output import note
from deepfake_serving.packaging.bundled import needs_packing, pack, packable_manifests
from model_handlers.manifest import ManifestError


def bundled_archive(model: str) -> Path:
    """Returns the archive of a model in the default folder, packed if it is a bundled one.

    Raises:
        ManifestError: there is no such model.
    """
    for manifest in manifests_to_pack([model]):
        note_packing([manifest])
        with choosing_home():
            pack(manifest, assets.archives())
    archive = assets.archives() / f"{model}.mar"
    if not archive.exists():
        known = ", ".join(sorted(packable_manifests()))
        raise ManifestError(f"there is no model {model!r} here; there are: {known}")
    return archive


@contextmanager
def choosing_home() -> Iterator[None]:
    """Adds to an error of the file system how another folder is chosen."""
    try:
        yield
    except OSError as error:
        reason = f"{error.strerror}; {assets.HOME_VARIABLE} names another folder"
        folder = error.filename or str(assets.archives())
        raise OSError(error.errno, reason, folder) from error


def manifests_to_pack(models: Sequence[str]) -> list[Path]:
    """Returns the manifests of those models of this package whose archive in the default folder is
    missing or was packed by another version or with other weights."""
    known = packable_manifests()
    manifests = [known[model] for model in models if model in known]
    return [manifest for manifest in manifests if needs_packing(manifest, assets.archives())]


def note_packing(manifests: Sequence[Path]) -> None:
    """Prints the reason for the wait on standard error."""
    names = ", ".join(manifest.stem for manifest in manifests)
    note(f"packing {names} into {assets.archives()} (once per version)")
