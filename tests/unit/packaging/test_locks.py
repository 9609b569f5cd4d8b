"""The locks of tests and of shipped images pin the same versions, for every Python, which are those
that pyproject.toml permits."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "requirements"
OF_ONE_ENVIRONMENT = ("build", "load", "gateway", "model-server", "all", "training", "cuda")
"""Locks of shipped images; others belong to separate environments."""
OF_THE_PROJECT = (*OF_ONE_ENVIRONMENT, "dev", "bulk", "kuberay")
"""Locks that pyproject.toml is resolved into."""
PYTHONS = ("3.11.0", "3.12.0", "3.13.0", "3.14.0")


def lines(lock: str) -> list[Requirement]:
    """Returns the pins; a package may have several, for several Pythons."""
    text = (FOLDER / f"{lock}.txt").read_text()
    found = re.findall(r"^[a-z0-9-]+==[^\\]+", text, re.MULTILINE)
    return [Requirement(line.strip()) for line in found]


def pins(lock: str) -> set[tuple[str, str]]:
    return {(pin.name, str(pin.specifier)) for pin in lines(lock)}


@pytest.mark.parametrize("lock", OF_ONE_ENVIRONMENT)
def test_locked_versions_of_images_equal_those_of_tests(lock: str) -> None:
    tested = pins("dev")
    names = {name for name, _ in tested}
    assert pins(lock)
    assert {pin for pin in pins(lock) if pin[0] in names} - tested == set()


def pinned(lock: str, python: str) -> dict[str, set[str]]:
    """Returns the versions by package for a Python on Linux."""
    here = {
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "platform_system": "Linux",
    }
    versions: dict[str, set[str]] = {}
    for pin in lines(lock):
        if pin.marker is None or pin.marker.evaluate(here):
            versions.setdefault(pin.name, set()).add(str(pin.specifier).removeprefix("=="))
    return versions


@pytest.mark.parametrize("lock", OF_THE_PROJECT)
def test_locked_versions_are_the_same_for_every_python(lock: str) -> None:
    """So tests on one Python say what the others run; tifffile is of tests only."""
    tested = pinned(lock, PYTHONS[0])
    for python in PYTHONS[1:]:
        other = pinned(lock, python)
        differing = {name for name in tested.keys() & other.keys() if tested[name] != other[name]}
        assert differing <= {"tifffile"}, python


@pytest.mark.parametrize("lock", OF_THE_PROJECT)
def test_locked_versions_are_those_that_the_project_permits(lock: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    required = [Requirement(r) for r in project["dependencies"]]
    required += [Requirement(r) for extra in extras for r in extra]
    found = pinned(lock, PYTHONS[0])
    refused = {
        f"{each.name} {version}"
        for each in required
        for version in found.get(each.name, ())
        if each.name != "deepfake-serving" and not each.specifier.contains(version)
    }
    assert refused == set()
