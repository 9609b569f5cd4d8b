"""Paths of the project's files, for tests that read them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "config" / "models"
MODELS = ("detector", "faces", "classifier")
"""The models that the project ships."""
