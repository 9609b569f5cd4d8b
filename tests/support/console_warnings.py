"""Warnings and problems that the console shows in the language of the page, by their sentences."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.paths import ROOT

_CONSOLE = ROOT / "deepfake_serving" / "gateway" / "console"
_WARNINGS, _DETAILS = (
    _CONSOLE / "components" / "warnings.js",
    _CONSOLE / "api" / "problemDetails.js",
)
_PATTERN = re.compile(r"^  \[/(\S.*)/, \"(?:warning|detail)\.[\w-]+\"\],$", re.MULTILINE)


def translated(sentence: str) -> bool:
    """Returns whether the console knows a warning."""
    return _knows(_WARNINGS, sentence)


def detail_translated(sentence: str) -> bool:
    """Returns whether the console knows a problem's detail."""
    return _knows(_DETAILS, sentence)


def _knows(source: Path, sentence: str) -> bool:
    patterns = _PATTERN.findall(source.read_text(encoding="utf-8"))
    assert patterns
    python = (pattern.replace("(?<", "(?P<") for pattern in patterns)
    return any(re.search(pattern, sentence) for pattern in python)
