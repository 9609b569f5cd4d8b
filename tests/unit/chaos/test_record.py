"""A request counts for the event in which it began, else for the one in which it ended."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.chaos.record import QUIET, Record
from tests.cluster.load import Outcome, Problem

LOST = Problem("reset", disconnected=True)


def outcome(begun: float, ended: float, problem: Problem | None = None) -> Outcome:
    return Outcome("rest", begun, ended, problem)


def failures(record: Record) -> dict[str, int]:
    return {name: row.failed for name, row in record.rows.items() if row.requests}


def test_a_failure_counts_for_the_event_in_which_it_ended(tmp_path: Path) -> None:
    record = Record(tmp_path / "log.jsonl")
    before = time.monotonic()
    with record.during("kill-gateway"):
        record.add(outcome(before, time.monotonic(), LOST))
    assert failures(record) == {"kill-gateway": 1}


def test_a_late_failure_counts_for_the_event_in_which_its_request_began(tmp_path: Path) -> None:
    record = Record(tmp_path / "log.jsonl")
    with record.during("cut-off-model-server"):
        begun = time.monotonic()
    record.add(outcome(begun, time.monotonic() + 60, LOST))
    assert failures(record) == {"cut-off-model-server": 1}


def test_the_earlier_event_is_blamed_for_what_has_waited_since(tmp_path: Path) -> None:
    record = Record(tmp_path / "log.jsonl")
    with record.during("scale"):
        begun = time.monotonic()
    with record.during("kill-redis"):
        record.add(outcome(begun, time.monotonic(), LOST))
    assert failures(record) == {"scale": 1}


def test_between_events_it_is_quiet(tmp_path: Path) -> None:
    record = Record(tmp_path / "log.jsonl")
    with record.during("scale"):
        pass
    record.add(outcome(time.monotonic(), time.monotonic()))
    assert failures(record) == {QUIET: 0}


def test_the_log_has_events_and_failures(tmp_path: Path) -> None:
    record = Record(tmp_path / "log.jsonl")
    with record.during("scale"):
        record.add(outcome(time.monotonic(), time.monotonic(), LOST))
        record.add(outcome(time.monotonic(), time.monotonic()))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(each["kind"], each["event"]) for each in lines] == [
        ("begin", "scale"),
        ("failure", "scale"),
        ("end", "scale"),
    ]
    assert lines[1]["problem"] == {"text": "reset", "disconnected": True}
