"""Archives of the bundled models in the user's folder, and whether this version packed them.

Beside `<model>.mar`, `<model>.packed.json` records the archive's digest and the digest of its
inputs. An archive that this package did not pack is never replaced.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path

from deepfake_serving.assets import MANIFESTS
from deepfake_serving.packaging.archive import (
    CODE_FOLDERS,
    Archive,
    build_archive,
    digest_of,
    manifest_json,
    packed_code,
)
from model_handlers.manifest import MANIFEST_FILE, ManifestError, read_manifest

WEIGHTS_VARIABLE = "DEEPFAKE_WEIGHTS"
WEIGHTS = ("default", "permissive")
"""Sets of trained weights: from all data, or from none that is for research only."""

_PACKERS = ("archive.py", "openvino_ir.py")
"""Modules of this folder that also determine an archive's content."""


def bundled_manifests() -> dict[str, Path]:
    """Returns the manifests of the bundled models by name.

    `DEEPFAKE_WEIGHTS` chooses between weights of the same models: see `WEIGHTS`.

    Raises:
        ManifestError: the variable has another value.
    """
    chosen = os.environ.get(WEIGHTS_VARIABLE) or WEIGHTS[0]
    if chosen not in WEIGHTS:
        raise ManifestError(f"{WEIGHTS_VARIABLE} is {chosen!r}, not one of {', '.join(WEIGHTS)}")
    found = {path.stem: path for path in sorted(MANIFESTS.glob("*.yaml"))}
    if chosen != WEIGHTS[0]:
        found |= {path.stem: path for path in sorted((MANIFESTS / chosen).glob("*.yaml"))}
    return found


def packable_manifests() -> dict[str, Path]:
    """Returns the bundled models and the members of shipped ensembles, by name.

    Raises:
        ManifestError: as `bundled_manifests`.
    """
    members = [*MANIFESTS.glob("members/*.yaml"), *MANIFESTS.glob("variants/*/*.yaml")]
    return {path.stem: path for path in sorted(members)} | bundled_manifests()


def pack(manifest_path: Path, out: Path) -> Archive:
    """Packs a manifest, and writes a record if it is a bundled one.

    Raises:
        ManifestError
    """
    built = build_archive(manifest_path, out)
    record = _record_path(built.path)
    if manifest_path.resolve() in {path.resolve() for path in packable_manifests().values()}:
        content = {"archive": built.digest, "source": source_digest(manifest_path)}
        record.write_text(json.dumps(content) + "\n")
    else:
        record.unlink(missing_ok=True)
    return built


def needs_packing(manifest_path: Path, folder: Path) -> bool:
    """Returns whether the folder lacks the archive of a bundled model, or has one that another
    version of this package packed."""
    path = folder / f"{manifest_path.stem}.mar"
    if not path.exists():
        return True
    source = _recorded_source(path)
    if source is None:
        return _has_other_code(path, manifest_path)
    return source != source_digest(manifest_path)


def source_digest(manifest_path: Path) -> str:
    """Returns the digest of an archive's inputs: the manifest, which pins the weights, the code
    inside the archive, and the packaging code."""
    parts = {MANIFEST_FILE: manifest_json(read_manifest(manifest_path))} | packed_code()
    parts |= {name: Path(__file__).with_name(name).read_bytes() for name in _PACKERS}
    digest = hashlib.sha256()
    for name, content in sorted(parts.items()):
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return f"sha256:{digest.hexdigest()}"


def _has_other_code(path: Path, manifest_path: Path) -> bool:
    """Returns whether an archive without a record has the bundled manifest, but other code."""
    try:
        with zipfile.ZipFile(path) as packed:
            if packed.read(MANIFEST_FILE) != manifest_json(read_manifest(manifest_path)):
                return False
            names = [name for name in packed.namelist() if name.startswith(CODE_FOLDERS)]
            code = {name: packed.read(name) for name in names}
    except (OSError, KeyError, zipfile.BadZipFile):
        return False  # loading the archive reports the error
    return code != packed_code()


def _record_path(archive: Path) -> Path:
    return archive.with_suffix(".packed.json")


def _recorded_source(archive: Path) -> str | None:
    """Returns the recorded digest of the archive's inputs; None without a record."""
    try:
        record = json.loads(_record_path(archive).read_bytes())
        return str(record["source"]) if record["archive"] == digest_of(archive) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
