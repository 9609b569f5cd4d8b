"""The runbooks filter for log events that the servers emit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))


@pytest.fixture(scope="module")
def events() -> set[str]:
    """The events of all log calls: `log.error("giving up", …)`."""
    sources = [path.read_text() for path in (ROOT / "deepfake_serving").rglob("*.py")]
    return set(re.findall(r'\blog\.\w+\(\s*"([^"]+)"', "\n".join(sources)))


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda path: path.stem)
def test_runbooks_filter_for_existing_events(runbook: Path, events: set[str]) -> None:
    text = runbook.read_text()
    equal = set(re.findall(r'\.event == "([^"]+)"', text))
    assert equal <= events
    patterns = re.findall(r'\.event \| test\("([^"]+)"\)|logs [\w-]+ \\?\| grep (\w+)', text)
    parts = {part for pair in patterns for pattern in pair for part in pattern.split("|")}
    assert [part for part in parts if not any(part in event for event in events)] == []
