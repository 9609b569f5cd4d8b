"""Sentences of the service about a file, which are English, have texts in every language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepfake_serving.contracts.verdict import NO_HEATMAPS
from deepfake_serving.video.accumulator import LEFT_OUT
from deepfake_serving.video.decoding.decoder import IGNORED_ALPHA
from tests.support.console_warnings import detail_translated, translated
from tests.support.paths import ROOT

_OF_FILES = ("UndecodableMedia", "UnsupportedMediaType", "TooManyPixels")
_SOURCES = (
    *sorted((ROOT / "model_handlers" / "images").rglob("*.py")),
    ROOT / "model_handlers" / "pipeline" / "decode.py",
    *sorted((ROOT / "deepfake_serving" / "video").rglob("*.py")),
)
_WORDS = {
    "LEFT_OUT": LEFT_OUT,
    "frame_size": "frames of 7 x 7 pixels",
    "size": "7 pixels",
    "warning": "the image is cut short: 7% of its lines",
}
"""Values of variables that hold a part of a sentence; the others are numbers."""


def _text(node: ast.expr) -> str | None:
    """Returns a literal with 7 for each number; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    return "".join(
        part.value if isinstance(part, ast.Constant) else _value(part)  # type: ignore[misc]
        for part in node.values
    )


def _value(part: ast.expr) -> str:
    value = part.value if isinstance(part, ast.FormattedValue) else part
    if isinstance(part, ast.FormattedValue) and part.format_spec is not None:
        spec = _text(part.format_spec) or ""
        return "7%" if spec.endswith("%") else "7"
    return _WORDS.get(value.id, "7") if isinstance(value, ast.Name) else "7"


def _calls(name: str) -> Iterator[str]:
    for path in _SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(name):
                yield from filter(None, map(_text, node.args[:1]))


@pytest.mark.parametrize("name", _OF_FILES)
def test_a_problem_of_a_file_is_in_the_language_of_the_page(name: str) -> None:
    details = list(_calls(name))
    assert details
    assert [detail for detail in details if not detail_translated(detail)] == []


def test_a_warning_of_a_video_is_in_the_language_of_the_page() -> None:
    constant = [IGNORED_ALPHA, NO_HEATMAPS]
    limits = (
        f"the video exceeds the limits of the analysis: {what}" for what in _calls("truncate")
    )
    appended = (text for text in _calls("warnings.append") if "exceeds the limits" not in text)
    warnings = [*constant, *limits, *appended]
    assert len(warnings) > 12
    assert [warning for warning in warnings if not translated(warning)] == []


def test_a_sentence_of_a_later_version_is_not_known() -> None:
    assert not translated("a sentence of a later version")
    assert not detail_translated("a sentence of a later version")


def test_the_sources_are_there() -> None:
    assert all(isinstance(path, Path) and path.is_file() for path in _SOURCES)
