"""The Dockerfiles: a change of the project leaves the layer of its dependencies as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))


def _stages(dockerfile: Path) -> dict[str, str]:
    """Returns the text of each stage by its name; the last one's name is empty."""
    parts = re.split(r"^FROM (\S+)(?: AS (\S+))?$", dockerfile.read_text(), flags=re.MULTILINE)
    stages = {}
    for base, name, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        stages[name or ""] = stages.get(base, "") + body
    return stages


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_the_layer_of_dependencies_changes_only_with_their_lock_file(dockerfile: Path) -> None:
    stages = _stages(dockerfile)
    copies = re.findall(r"^COPY (?:--from=(\w+) )?(.*) \S+$", stages[""], re.MULTILINE)
    (stage, environment), *others = copies
    assert environment == "/app/.venv"
    read = re.findall(r"^COPY (.*) \S+$", stages[stage], re.MULTILINE)
    assert [name.split("/")[0] for name in read] == ["requirements"]
    assert others[0][0] == "package"
