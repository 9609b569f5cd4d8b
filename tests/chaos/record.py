"""Outcomes of requests by the event in which they happened, and a log of all that is notable."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.load import Outcome

QUIET = "quiet"
"""The name of the time between events."""

SLOW_S = 2.0
"""The duration above which a request is logged."""


@dataclass
class Row:
    """Results of all events of a name."""

    events: int = 0
    requests: int = 0
    failed: int = 0
    responded: int = 0
    """Failures with a response."""
    failed_retries: int = 0
    slowest_s: float = 0.0
    ready_s: list[float] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.requests += 1
        self.failed += outcome.problem is not None
        self.responded += outcome.problem is not None and not outcome.problem.disconnected
        self.failed_retries += outcome.retry_problem is not None
        self.slowest_s = max(self.slowest_s, outcome.ended - outcome.begun)


class Record:
    """Rows by event and the log, a JSON object per line; several threads may add outcomes."""

    def __init__(self, log: Path) -> None:
        self.rows: dict[str, Row] = {}
        self._begun = time.monotonic()
        self._intervals: list[tuple[str, float, float]] = []
        self._lock = threading.Lock()
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")

    @property
    def requests(self) -> int:
        return sum(row.requests for row in self.rows.values())

    @contextmanager
    def during(self, event: str) -> Iterator[Row]:
        """Attributes what happens while the block runs to an event."""
        begun = time.monotonic()
        with self._lock:
            self._intervals.append((event, begun, float("inf")))
            row = self.rows.setdefault(event, Row())
            row.events += 1
        self.write("begin", event=event)
        try:
            yield row
        finally:
            with self._lock:
                self._intervals[-1] = (event, begun, time.monotonic())
            self.write("end", event=event)

    def add(self, outcome: Outcome) -> None:
        """Adds an outcome to the event in which it began, else to the one in which it ended.

        Pauses divide events, so a request that spans two has waited since the first.
        """
        with self._lock:
            event = self._event_at(outcome.begun) or self._event_at(outcome.ended) or QUIET
            self.rows.setdefault(event, Row()).add(outcome)
        if outcome.problem is not None:
            self.write("failure", event=event, **asdict(outcome))
        elif outcome.ended - outcome.begun > SLOW_S:
            self.write("slow", event=event, **asdict(outcome))

    def write(self, kind: str, **values: Any) -> None:
        line = {"kind": kind, "at_s": round(time.monotonic() - self._begun, 2), **values}
        with self._lock, self._log.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def _event_at(self, moment: float) -> str | None:
        latest = reversed(self._intervals)
        return next((name for name, begun, ended in latest if begun <= moment <= ended), None)
