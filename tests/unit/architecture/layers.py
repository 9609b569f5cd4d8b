"""The declared layers of the code, and its actual imports.

`python -m tests.unit.architecture.layers` prints the diagram for CONTRIBUTING.md.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT

PACKAGES = ("deepfake_serving", "model_handlers")


@dataclass(frozen=True)
class Area:
    """A part of the code: its floors from the top down, and the areas below that it imports.

    A floor lists packages and modules relative to `package`. The longest match counts: "http.app"
    is on a floor of its own, "http" holds the other modules of that folder, "" those of the
    package itself.
    """

    package: str
    floors: tuple[tuple[str, ...], ...]
    uses: tuple[str, ...] = ()

    def units(self) -> dict[str, int]:
        """Every package and module that is declared, with the number of its floor."""
        return {
            ".".join(filter(None, (self.package, name))): number
            for number, floor in enumerate(self.floors)
            for name in floor
        }


AREAS: dict[str, Area] = {
    "cli": Area(
        "deepfake_serving",
        (
            ("__main__",),
            ("cli.app",),
            ("cli.commands",),
            ("cli.bulk",),
            ("cli",),
            ("cli.evidence",),
        ),
        (
            *("training", "gateway", "model server"),
            *(
                "video",
                "planning",
                "ensembles",
                "provenance",
                "packaging",
                "models",
                "runtime",
                "contracts",
                "assets",
            ),
        ),
    ),
    "training": Area(
        "deepfake_serving.training",
        (
            ("",),
            ("card",),
            ("report", "calibration", "attack", "development"),
            ("gpu",),
            ("evaluate", "export"),
            ("sources",),
            ("engine",),
            ("predict",),
            ("config", "data"),
        ),
        ("packaging", "models", "runtime", "contracts", "assets"),
    ),
    "gateway": Area(
        "deepfake_serving.gateway",
        (
            ("__main__", "worker.__main__"),
            ("server",),
            ("http.app", "grpc_api"),
            ("worker", "http.routes"),
            ("http",),
            ("context", "sources", "ingest"),
            ("jobs", "composition"),
            ("feedback", "uploads"),
            ("metrics", "fetch", "live", "auth"),
            ("settings",),
            ("setting_groups",),
            ("setting_types",),
            ("ensembles", "shadow", "predictions"),
            ("upstream", "storage", "queue"),
            ("",),
        ),
        ("video", "ensembles", "provenance", "runtime", "contracts", "assets"),
    ),
    "planning": Area(
        "deepfake_serving.planning",
        (("search",), ("simulation",), ("pool",), ("replica", "autoscaler", "profile"), ("",)),
    ),
    "model server": Area(
        "deepfake_serving.model_server",
        (
            ("__main__",),
            ("server",),
            ("http", "grpc_api", "supervisor"),
            ("prediction",),
            ("torchserve",),
            ("",),
            ("limits",),
        ),
        ("packaging", "models", "runtime", "contracts", "assets"),
    ),
    "video": Area(
        "deepfake_serving.video",
        (
            ("analyse",),
            ("parts",),
            ("accumulator",),
            ("build_shot", "scored_frames", "isolation"),
            ("",),
            ("options", "scene_cuts", "parts.boundaries", "parts.renumbering"),
            ("sampling",),
            ("decoding",),
            ("presentation", "memory"),
        ),
        ("contracts",),
    ),
    "provenance": Area(
        "deepfake_serving.provenance",
        (
            ("reader", "child"),
            ("contradictions",),
            ("credentials", "metadata"),
            ("",),
        ),
        ("runtime", "contracts", "assets"),
    ),
    "packaging": Area("deepfake_serving.packaging", (("",),), ("models", "contracts", "assets")),
    "models": Area(
        "model_handlers",
        (("handler",), ("loading",), ("backends",), ("pipeline", "networks"), ("images",), ("",)),
        ("contracts",),
    ),
    "ensembles": Area("deepfake_serving.ensembles", (("",),), ("contracts", "assets")),
    "runtime": Area("deepfake_serving.runtime", (("",),), ("contracts",)),
    "contracts": Area("deepfake_serving.contracts", (("",),)),
    "assets": Area("deepfake_serving", (("assets", ""),)),
}
"""From the top down: an area imports only areas after it."""


@dataclass(frozen=True)
class Unit:
    """A declared package or module."""

    name: str
    area: str
    floor: int

    def may_import(self, other: Unit) -> bool:
        if self == other or other.area in AREAS[self.area].uses:
            return True
        return self.area == other.area and other.floor > self.floor


def unit_of(module: str) -> Unit | None:
    """Returns the longest declared name that the module is, or lies in."""
    found = (name for name in _units() if module == name or module.startswith(name + "."))
    name = max(found, key=len, default=None)
    return None if name is None else _units()[name]


@cache
def _units() -> dict[str, Unit]:
    return {
        name: Unit(name, area, floor)
        for area, declared in AREAS.items()
        for name, floor in declared.units().items()
    }


@cache
def modules() -> dict[str, Path]:
    """Every module of the packages, by its dotted name."""
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {_dotted(path): path for path in paths}


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports() -> dict[str, frozenset[str]]:
    """Returns each module's imports of the packages, those in functions and for types too."""
    return {
        module: frozenset(_imported(ast.parse(path.read_text()))) - {module}
        for module, path in modules().items()
    }


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from filter(None, map(_module, names))


def _module(name: str) -> str:
    """The module that a dotted name lies in; "" where it is none of ours."""
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name


def diagram() -> str:
    """Mermaid: the areas with what they import, and the floors of those that have several."""
    lines = ["flowchart TD"]
    for area, declared in AREAS.items():
        lines += _subgraph(area, declared) if len(declared.floors) > 1 else [f"    {_id(area)}"]
    for area, declared in AREAS.items():
        lines += [f"    {_id(area)} --> {_id(used)}" for used in _direct(declared.uses)]
    return "\n".join(lines)


def _direct(uses: tuple[str, ...]) -> list[str]:
    """The areas that are not also reached through another one."""
    return [used for used in uses if not any(used in AREAS[other].uses for other in uses)]


def _subgraph(area: str, declared: Area) -> Iterator[str]:
    yield f"    subgraph {_id(area)}"
    for number, floor in enumerate(declared.floors):
        text = ", ".join(name or "other modules" for name in floor)
        yield f'        {_id(area)}{number}["{text}"]'
    chain = " --> ".join(f"{_id(area)}{number}" for number in range(len(declared.floors)))
    yield f"        {chain}"
    yield "    end"


def _id(area: str) -> str:
    return area.replace(" ", "_")


if __name__ == "__main__":
    print(diagram())
