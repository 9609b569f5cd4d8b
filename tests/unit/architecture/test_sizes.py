"""Small files in small folders."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("deepfake_serving", "model_handlers")
FOLDERS = (*PACKAGES, "scripts", "benchmarks", "loadtest")
GENERATED = ROOT / "deepfake_serving" / "contracts" / "protos"
MAX_LINES, MAX_MEDIAN_LINES, MAX_MODULES, MAX_GATEWAY_MODULES = 300, 100, 14, 8


def files(*folders: str) -> list[Path]:
    """Returns the Python files that are not generated."""
    found = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    return [path for path in found if not path.is_relative_to(GENERATED)]


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def loose_modules(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_is_long(folder: str) -> None:
    assert {str(path): lines(path) for path in files(folder) if lines(path) > MAX_LINES} == {}


def test_half_of_the_files_are_short() -> None:
    assert statistics.median(map(lines, files(*PACKAGES))) <= MAX_MEDIAN_LINES


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_folder_is_full(folder: str) -> None:
    folders = {path.parent for path in files(folder)}
    full = {str(each): len(loose_modules(each)) for each in folders}
    assert {name: count for name, count in full.items() if count > MAX_MODULES} == {}


def test_the_gateways_top_folder_is_small() -> None:
    assert len(loose_modules(ROOT / "deepfake_serving" / "gateway")) <= MAX_GATEWAY_MODULES
