"""Edits weights, calibration and thresholds in a manifest's YAML and keeps its comments."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deepfake_serving.packaging.replacing import write_whole
from deepfake_serving.training.export.comparison import ExportError
from model_handlers.manifest import Manifest, ManifestError, load_manifest, read_manifest

EXPORTED_ENTRIES = ("weights", "calibration", "thresholds", "head")
_UNTRAINED = re.compile(r"^# No trained weights yet.*$", re.MULTILINE)
_TRAINED = "# Trained weights; docs/models/detector.md says what they can do and what they can't."
_NETWORK_ENTRIES = (
    *("crop", "noise", "encoder", "head", "reference"),
    *("network", "input", "fake_class"),
)


def edit_manifest(text: str, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """Sets top-level `entries` of a manifest's YAML, each on one line; keeps all else.

    Idempotent.
    """
    for name, value in entries.items():
        text = _set_entry(text, name, _flow_style(value))
    return _UNTRAINED.sub(_TRAINED, text) if "weights" in entries else text


def update_manifest(path: Path, entries: Mapping[str, Mapping[str, Any]], version: str) -> Manifest:
    """Edits the entries and the version of the manifest at `path` atomically; returns the new one.

    Raises:
        ExportError: an entry is unknown or malformed, or the edit would change another one.
    """
    if unknown := set(entries) - set(EXPORTED_ENTRIES):
        raise ExportError(f"{path.name}: {sorted(unknown)[0]} can't be set by an export")
    before = read_manifest(path)
    text = edit_manifest(path.read_text(encoding="utf-8"), entries)
    if version != before.version:
        text = _set_entry(text, "version", json.dumps(version))
    try:
        after = load_manifest(text.encode(), path.name)
    except ManifestError as error:
        raise ExportError(str(error)) from error
    rest = set(Manifest.model_fields) - {"version", *EXPORTED_ENTRIES}
    if before.model_dump(include=rest) != after.model_dump(include=rest):
        raise ExportError(f"{path.name}: the edit would change other entries")
    write_whole(path, text.encode())
    return after


def require_same_network(one: Manifest, other: Manifest) -> None:
    """Checks that both manifests can share weights.

    Raises:
        ExportError: they differ in an entry that defines the network or its input.
    """
    for name in _NETWORK_ENTRIES:
        if getattr(one, name) != getattr(other, name):
            raise ExportError(f"{other.name}: {name} differs from {one.name}'s")


def _set_entry(text: str, name: str, value: str) -> str:
    """Replaces a top-level entry, on one line or a block; keeps its trailing comment."""
    pattern = re.compile(rf"^{name}:[^\n#]*([ \t]#[^\n]*)?(?:\n[ \t]+[^\n]*)*$", re.MULTILINE)

    def replacement(match: re.Match[str]) -> str:
        comment = f"  {match[1].strip()}" if match[1] else ""
        return f"{name}: {value}{comment}"

    text, found = pattern.subn(replacement, text, count=1)
    return text if found else f"{text.rstrip()}\n{name}: {value}\n"


def _flow_style(value: Mapping[str, Any]) -> str:
    """Formats as `{a: 1, b: [2, 3]}` on one line."""
    flow: str = yaml.safe_dump(
        dict(value), default_flow_style=True, sort_keys=False, width=10**9, allow_unicode=True
    )
    return flow.strip()
