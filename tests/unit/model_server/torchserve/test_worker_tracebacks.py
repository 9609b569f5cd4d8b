"""Tracebacks of workers are found among their other lines."""

from __future__ import annotations

import traceback

from deepfake_serving.model_server.torchserve.worker_tracebacks import WorkerTracebacks


def raised() -> str:
    try:
        raise ValueError("no such layer")
    except ValueError:
        return traceback.format_exc().rstrip()


def test_a_traceback_is_one_text_with_the_line_before_it() -> None:
    found: list[str] = []
    tracebacks = WorkerTracebacks(found.append)
    text = raised()
    for line in ("Listening", "a batch of 2 items failed", *text.splitlines(), "next", " lines"):
        tracebacks.add(line)
    assert found == ["a batch of 2 items failed\n" + text]


def test_lines_without_an_end_are_limited() -> None:
    found: list[str] = []
    tracebacks = WorkerTracebacks(found.append)
    tracebacks.add("Traceback (most recent call last):")
    for _ in range(500):
        tracebacks.add("  File")
    assert [len(each.splitlines()) for each in found] == [200]
