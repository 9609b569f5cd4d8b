"""One request as both protocols see it: its id, its trace, its time, its line in the log."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any, Literal

import structlog

from deepfake_serving.contracts.problems import Internal, Problem
from deepfake_serving.runtime import tracing
from deepfake_serving.runtime.metrics import ServerMetrics

log = structlog.get_logger("request")

CANCELLED = 499
"""In place of a status where the caller left before the answer."""

Outcome = Literal["answered", "refused", "failed", "cancelled"]

_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


class RequestScope:
    """A request from its arrival to its end."""

    def __init__(self, route: str, given_id: str | None, traceparent: str | None) -> None:
        """Takes the caller's id where it is harmless, else makes one; likewise the trace's parent
        (https://www.w3.org/TR/trace-context/)."""
        self.route = route
        self.id = given_id if given_id and _ID.fullmatch(given_id) else uuid.uuid4().hex
        well_formed = traceparent and _TRACEPARENT.fullmatch(traceparent)
        self.traceparent = traceparent if well_formed else None
        self._span = tracing.begin(route, self.traceparent)
        if self._span is not None:
            self.traceparent = tracing.traceparent_of(self._span)
        self.problem: Problem | None = None
        self.fields: dict[str, Any] = {}
        self._begun = time.perf_counter()

    def note(self, **fields: Any) -> None:
        """Adds to the request's line in the log."""
        self.fields |= fields

    def end(self, status: int, metrics: ServerMetrics, problem: Problem | None = None) -> None:
        """Counts and logs, once."""
        seconds = time.perf_counter() - self._begun
        metrics.requests.labels(self.route, str(status)).inc()
        metrics.duration.labels(self.route, outcome(status)).observe(seconds)
        if problem is not None:
            metrics.problems.labels(problem.slug).inc()
            self.note(problem=problem.slug, detail=problem.detail)
        if self._span is not None:
            tracing.end(self._span, self.route, status, {"id": self.id, **self.fields})
        log.info(
            "request",
            route=self.route,
            status=status,
            ms=round(seconds * 1000, 2),
            id=self.id,
            **({"traceparent": self.traceparent} if self.traceparent else {}),
            **self.fields,
        )


def outcome(status: int) -> Outcome:
    """What became of a request. Refusals are quick, and would make answers look so."""
    if status == CANCELLED:
        return "cancelled"
    return "answered" if status < 400 else "refused" if status < 500 else "failed"


def as_problem(error: Exception, exchange: RequestScope) -> Problem:
    """What a caller is told of an exception; one that is no `Problem` is a defect, and logged."""
    if isinstance(error, Problem):
        return error
    log.exception("defect", id=exchange.id, route=exchange.route)
    return Internal("an unexpected error; the log has it under this request's id")
