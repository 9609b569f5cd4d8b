"""Licences of others that have to go with their work."""

from __future__ import annotations

import subprocess
import tomllib
from importlib.metadata import files
from typing import Any

import yaml

from tests.support.paths import MANIFESTS, ROOT


def test_the_licence_of_the_mtcnn_weights_is_in_the_package() -> None:
    """Images without facenet-pytorch have its weights, in their archives."""
    (original,) = [path for path in files("facenet-pytorch") or [] if "LICENSE" in path.name]
    copy = ROOT / "model_handlers" / "networks" / "mtcnn.LICENSE.txt"
    assert copy.read_text() == original.locate().read_text()


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


def test_the_package_states_the_licences_of_its_weights() -> None:
    """Tools that check licences read this line only."""
    stated = set(_project()["license"].split(" AND "))
    manifests = [yaml.safe_load(path.read_text()) for path in MANIFESTS.rglob("*.yaml")]
    weights = [each["weights"] for each in manifests if each.get("weights")]
    shipped = {
        each["licence"] for each in weights if (ROOT / "model_store" / each["file"]).exists()
    }
    assert len(shipped) > 1
    assert shipped <= stated


def test_every_text_of_a_licence_is_declared() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*LICENSE*"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    declared = {
        str(path.relative_to(ROOT))
        for pattern in _project()["license-files"]
        for path in ROOT.glob(pattern)
    }
    assert declared == set(tracked.stdout.splitlines())
