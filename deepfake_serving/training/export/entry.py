"""Enters weights, calibration and thresholds into a manifest's YAML, comments and all kept."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deepfake_serving.training.export.check import ExportError
from model_handlers.manifest import Manifest, ManifestError, load_manifest, read_manifest

ENTRIES = ("weights", "calibration", "thresholds")
_UNTRAINED = re.compile(r"^# No trained weights yet.*$", re.MULTILINE)
_TRAINED = "# Trained weights; docs/models/detector.md says what they can do and what they can't."
_SHARED = ("crop", "noise", "encoder", "head", "reference")


def edited(text: str, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """A manifest's YAML with its top-level `entries` set, each on one line; the rest untouched.

    Editing twice is editing once.
    """
    for name, value in entries.items():
        text = _set(text, name, _flow(value))
    return _UNTRAINED.sub(_TRAINED, text) if "weights" in entries else text


def enter(path: Path, entries: Mapping[str, Mapping[str, Any]]) -> Manifest:
    """Edits the manifest at `path` atomically; answers what it now is.

    Raises:
        ExportError: an entry is unknown or malformed, or editing would change anything else.
    """
    if unknown := set(entries) - set(ENTRIES):
        raise ExportError(f"{path.name}: {sorted(unknown)[0]} is not for an export to set")
    before = read_manifest(path)
    text = edited(path.read_text(encoding="utf-8"), entries)
    try:
        after = load_manifest(text.encode(), path.name)
    except ManifestError as error:
        raise ExportError(str(error)) from error
    rest = set(Manifest.model_fields) - set(ENTRIES)
    if before.model_dump(include=rest) != after.model_dump(include=rest):
        raise ExportError(f"{path.name}: its entries could not be set without changing others")
    write_atomically(path, text.encode())
    return after


def require_same_network(one: Manifest, other: Manifest) -> None:
    """Raises `ExportError` where weights of the one would not fit or not mean the same in the
    other."""
    for name in _SHARED:
        if getattr(one, name) != getattr(other, name):
            raise ExportError(f"{other.name}: {name} is not {one.name}'s")


def write_atomically(path: Path, content: bytes) -> None:
    """Writes the file whole or not at all; it may be read by all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def _set(text: str, name: str, value: str) -> str:
    """Replaces a top-level entry, whether on one line or a block; a comment behind it stays."""
    pattern = re.compile(rf"^{name}:[^\n#]*([ \t]#[^\n]*)?(?:\n[ \t]+[^\n]*)*$", re.MULTILINE)

    def replaced(match: re.Match[str]) -> str:
        comment = f"  {match[1].strip()}" if match[1] else ""
        return f"{name}: {value}{comment}"

    text, found = pattern.subn(replaced, text, count=1)
    return text if found else f"{text.rstrip()}\n{name}: {value}\n"


def _flow(value: Mapping[str, Any]) -> str:
    """`{a: 1, b: [2, 3]}`, on one line however long."""
    flow: str = yaml.safe_dump(
        dict(value), default_flow_style=True, sort_keys=False, width=10**9, allow_unicode=True
    )
    return flow.strip()
