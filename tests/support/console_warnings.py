"""Warnings that the console shows in the language of the page, by the service's own sentences."""

from __future__ import annotations

import re

from tests.support.paths import ROOT

_SOURCE = ROOT / "deepfake_serving" / "gateway" / "console" / "components" / "warnings.js"
_PATTERN = re.compile(r"^  \[/(\S.*)/, \"warning\.[\w-]+\"\],$", re.MULTILINE)


def translated(sentence: str) -> bool:
    """Returns whether the console knows a warning."""
    patterns = _PATTERN.findall(_SOURCE.read_text(encoding="utf-8"))
    assert patterns
    python = (pattern.replace("(?<", "(?P<") for pattern in patterns)
    return any(re.search(pattern, sentence) for pattern in python)
