"""The progress of a bulk analysis in a log."""

from __future__ import annotations

import re

import pytest

from deepfake_serving.cli.output import count_chunks


def test_a_log_has_lines_with_the_rate_and_the_time_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    count_chunks(iter([256, 256, 40]), total=10, done=7, line_every_s=0)
    lines = capsys.readouterr().err.splitlines()
    line = re.compile(r"(\d+) of 10 chunks, (\d+) files, [\d.]+/s, \d:\d\d:\d\d left")
    found = [match.groups() for each in lines if (match := line.fullmatch(each))]
    assert found == [("8", "256"), ("9", "512"), ("10", "552")]


def test_a_short_run_has_no_lines(capsys: pytest.CaptureFixture[str]) -> None:
    count_chunks(iter([256, 40]), total=2, done=0)
    assert capsys.readouterr().err == ""
