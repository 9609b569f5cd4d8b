"""The locks of tests and of shipped images pin the same versions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "requirements"
OF_ONE_ENVIRONMENT = ("build", "load", "gateway", "model-server", "all", "training", "cuda")
"""Locks of shipped images; others belong to separate environments."""


def pins(lock: str) -> set[tuple[str, str]]:
    """Returns names and versions; a package may have several, for several Pythons."""
    text = (FOLDER / f"{lock}.txt").read_text()
    return set(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", OF_ONE_ENVIRONMENT)
def test_locked_versions_of_images_equal_those_of_tests(lock: str) -> None:
    tested = pins("dev")
    names = {name for name, _ in tested}
    assert pins(lock)
    assert {pin for pin in pins(lock) if pin[0] in names} - tested == set()
