"""An extra installs all that the commands that name it need."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions
from importlib.metadata import requires as requirements_of
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = canonicalize_name(PROJECT["name"])

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(ABSENT))  # as if they were not installed
from deepfake_serving.__main__ import main
sys.exit(main())
"""


def _needed(requirement: Requirement) -> list[Requirement]:
    """Returns the requirements of a distribution with the extras that are asked for."""
    name = canonicalize_name(requirement.name)
    if name == OURS:
        extras = PROJECT["optional-dependencies"]
        lines = [*PROJECT["dependencies"], *(e for x in requirement.extras for e in extras[x])]
        return [Requirement(line) for line in lines]
    try:
        found = [Requirement(line) for line in requirements_of(name) or ()]
    except PackageNotFoundError:  # of another platform
        return []
    chosen = [{"extra": extra} for extra in requirement.extras or {""}]
    return [r for r in found if not r.marker or any(map(r.marker.evaluate, chosen))]


def _installed(requirement: Requirement) -> Iterator[str]:
    """Yields the names of all distributions that a requirement installs."""
    seen, open_ = set(), [requirement]
    while open_:
        each = open_.pop()
        if (key := (canonicalize_name(each.name), frozenset(each.extras))) not in seen:
            seen.add(key)
            open_ += _needed(each)
            yield key[0]


def _absent(extra: str) -> set[str]:
    """Returns the modules of this environment that an installation with one extra lacks."""
    there = set(_installed(Requirement(f"{OURS}[{extra}]")))
    return {
        module
        for module, owners in packages_distributions().items()
        if not there & {canonicalize_name(owner) for owner in owners}
    }


@pytest.mark.slow
def test_torch_is_enough_to_pack(tmp_path: Path) -> None:
    absent = _absent("torch")
    assert {"fastapi", "grpc", "ts"} <= absent
    manifest = str(ROOT / "config" / "models" / "detector.yaml")
    command = ["package", manifest, "--out", str(tmp_path)]
    packed = subprocess.run(
        [sys.executable, "-c", WITHOUT.replace("ABSENT", repr(absent)), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert packed.returncode == 0, packed.stderr
    assert (tmp_path / "detector.mar").exists()
