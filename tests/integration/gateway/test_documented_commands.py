"""The commands of README.md, docs/clients.md and docs/tutorial.md run as they are written there."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.documented_commands import NEEDS_GO, Block, blocks, run
from tests.support.paths import ROOT
from tests.support.running import RunningGateway

pytestmark = pytest.mark.integration

_FOLDERS = (
    ".venv",
    "config",
    "deepfake_serving",
    "docs",
    "model_handlers",
    "model_store",
    "requirements",
    "scripts",
)


_PAGES = ("README.md", "docs/clients.md")


@pytest.fixture
def clone(tmp_path: Path, archive_folder: Path) -> Path:
    """Returns a folder with the files of a clone, and the packed archives."""
    clone = tmp_path / "clone"
    (clone / "build").mkdir(parents=True)
    (clone / "build" / "archives").symlink_to(archive_folder)
    for name in _FOLDERS:
        (clone / name).symlink_to(ROOT / name)
    return clone


def run_here(block: Block, gateway: RunningGateway, clone: Path) -> str:
    variables = {"DEEPFAKE_HOME": str(clone / "build")}
    return run(block, clone, gateway.url, gateway.grpc_target, variables)


def test_the_commands_of_the_tutorial_print_what_it_shows(
    gateway: RunningGateway, clone: Path
) -> None:
    for block in blocks("docs/tutorial.md"):
        if not block.listed:
            run_here(block, gateway, clone)


@pytest.mark.slow
@pytest.mark.parametrize(
    "block",
    [each for page in _PAGES for each in blocks(page) if not each.listed],
    ids=lambda each: each.name,
)
def test_the_commands_of_the_pages_work(block: Block, gateway: RunningGateway, clone: Path) -> None:
    if block.commands.startswith(NEEDS_GO) and not shutil.which("go"):
        assert os.environ.get("REQUIRE_GO") != "1", "go is not installed"
        pytest.skip("go is not installed")
    run_here(block, gateway, clone)


def test_the_example_is_the_response_to_the_first_command(
    gateway: RunningGateway, clone: Path
) -> None:
    page = next(each for each in blocks("README.md") if each.commands.startswith("curl"))
    first = replace(page, commands=page.commands.splitlines()[0])
    shown = re.search(r"^```json\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert shown is not None
    assert_similar(json.loads(run_here(first, gateway, clone)), json.loads(shown[1]))


def assert_similar(seen: Any, shown: Any, name: str = "") -> None:
    """Asserts the same structure, words and, but for rounding, numbers, except ids and times."""
    if name in ("id", "digest", "timings_ms"):
        assert type(seen) is type(shown)
    elif isinstance(shown, dict):
        assert seen.keys() == shown.keys(), name
        for key, value in shown.items():
            assert_similar(seen[key], value, key)
    elif isinstance(shown, list):
        assert len(seen) == len(shown), name
        for pair in zip(seen, shown, strict=True):
            assert_similar(*pair, name)
    else:
        assert seen == (
            pytest.approx(shown, rel=0.02, abs=0.02) if isinstance(shown, float) else shown
        )
