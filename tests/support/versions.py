"""Versions of the bundled models."""

from __future__ import annotations

from model_handlers.manifest import read_manifest
from tests.support.paths import MANIFESTS, MODELS

VERSIONS = {name: read_manifest(MANIFESTS / f"{name}.yaml").version for name in MODELS}
