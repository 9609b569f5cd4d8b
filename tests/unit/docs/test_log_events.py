"""The documentation names log events that the servers emit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.fixture(scope="module")
def events() -> set[str]:
    """The events of all log calls: `log.error("giving up", …)`."""
    sources = [path.read_text() for path in (ROOT / "deepfake_serving").rglob("*.py")]
    return set(re.findall(r'\blog\.\w+\(\s*"([^"]+)"', "\n".join(sources)))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_log_events_exist(page: Path, events: set[str]) -> None:
    text = page.read_text()
    exact = r'\.event == "([^"]+)"|[Ll]og (?:then )?says\s+`([^`]+)`|log line\s+`([^`]+)`'
    assert {event for found in re.findall(exact, text) for event in found if event} <= events
    patterns = re.findall(r'\.event \| test\("([^"]+)"\)|logs [\w-]+ \\?\| grep "?(\w[\w ]*)', text)
    parts = {part for pair in patterns for pattern in pair for part in pattern.split("|")}
    assert [part for part in parts if not any(part in event for event in events)] == []
