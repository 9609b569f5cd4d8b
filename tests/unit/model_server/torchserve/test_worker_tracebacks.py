"""Tracebacks of workers are found among their other lines."""

from __future__ import annotations

import traceback
from unittest.mock import MagicMock

import pytest

from deepfake_serving.model_server.torchserve.worker_tracebacks import WorkerTracebacks
from model_handlers.handler import run_isolated
from model_handlers.items import Options
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import Outcome


def raised() -> str:
    try:
        raise ValueError("no such layer")
    except ValueError:
        return traceback.format_exc().rstrip()


def raised_by(*_: object) -> list[Outcome]:
    raise ValueError("no such layer")


def test_a_traceback_is_one_text_with_the_line_before_it() -> None:
    found: list[tuple[str, list[str]]] = []
    tracebacks = WorkerTracebacks(lambda *each: found.append(each))
    text = raised()
    for line in ("Listening", "a batch of 2 items failed", *text.splitlines(), "next", " lines"):
        tracebacks.add(line)
    assert found == [("a batch of 2 items failed\n" + text, [])]


def test_a_workers_error_leads_back_to_its_requests(caplog: pytest.LogCaptureFixture) -> None:
    """The line is that of the handler."""
    found: list[list[str]] = []
    tracebacks = WorkerTracebacks(lambda _, ids: found.append(ids))
    run_isolated(MagicMock(run=raised_by), [b"", b""], [Options()] * 2, Stopwatch(), ["a.0", "b"])
    for record in caplog.records:
        for line in (record.getMessage(), *raised().splitlines()):
            tracebacks.add(line)
    assert found == [["a.0", "b"], ["a.0"], ["b"]]


def test_lines_without_an_end_are_limited() -> None:
    found: list[str] = []
    tracebacks = WorkerTracebacks(lambda text, _: found.append(text))
    tracebacks.add("Traceback (most recent call last):")
    for _ in range(500):
        tracebacks.add("  File")
    assert [len(each.splitlines()) for each in found] == [200]
