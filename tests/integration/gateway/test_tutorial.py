"""The commands of docs/tutorial.md run as they are written there, with the output that it shows."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.running import RunningGateway

pytestmark = pytest.mark.integration

_PAGE = (ROOT / "docs" / "tutorial.md").read_text()
_STEPS = re.findall(r"^```sh\n(.*?)^```\n\n```text\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL)


def test_every_block_of_commands_shows_its_output() -> None:
    assert len(_STEPS) == len(re.findall(r"^```sh$", _PAGE, re.MULTILINE)) == 4


def test_the_commands_print_what_the_tutorial_shows(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    for name in ("docs", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    for commands, expected in _STEPS:
        script = "set -e\n" + commands.replace("http://127.0.0.1:8000", gateway.url)
        completed = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert completed.returncode == 0, completed.stderr
        printed, shown = completed.stdout.splitlines(), expected.splitlines()
        assert len(printed) == len(shown), completed.stdout
        for line, pattern in zip(printed, shown, strict=True):
            assert fnmatch(line, pattern.replace("…", "*")), completed.stdout
