"""Imports point downward only, between areas and between the floors of an area."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT
from tests.unit.architecture.layers import AREAS, Unit, diagram, imports, modules, unit_of


@pytest.mark.parametrize("module", sorted(modules()))
def test_modules_import_only_lower_layers(module: str) -> None:
    unit = unit_of(module)
    assert unit is not None, "on no floor: declare its folder in layers.py"
    upward = {name for name in imports()[module] if not unit.may_import(_unit(name))}
    assert upward == set()


def _unit(module: str) -> Unit:
    unit = unit_of(module)
    assert unit is not None, module
    return unit


def test_areas_use_only_areas_below_them() -> None:
    order = list(AREAS)
    for number, area in enumerate(order):
        assert set(AREAS[area].uses) <= set(order[number + 1 :]), area


def test_there_are_no_import_cycles() -> None:
    """Removes modules that import nothing that is left, until none remains."""
    left = {module: set(names) for module, names in imports().items()}
    while completed := {module for module, names in left.items() if not names & left.keys()}:
        left = {module: names for module, names in left.items() if module not in completed}
    assert sorted(left) == []


def test_every_declared_unit_exists() -> None:
    declared = {name for area in AREAS.values() for name in area.units()}
    assert declared <= modules().keys() | {"deepfake_serving", "model_handlers"}


def test_contributing_shows_the_layers() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    blocks = re.findall(r"```mermaid\n(.*?)\n```", page, re.DOTALL)
    assert diagram() in blocks, "python -m tests.unit.architecture.layers prints the diagram"
