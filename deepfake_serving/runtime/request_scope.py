"""The scope of one request, whatever the protocol: its id, trace, metrics and log line."""

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
"""Recorded instead of a status when the client disconnects before the response."""

Outcome = Literal["answered", "accepted", "refused", "failed", "cancelled"]

_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestScope:
    """A request from its arrival to its response."""

    def __init__(self, route: str, request_id: str | None, traceparent: str | None) -> None:
        """Keeps the client's id if it is safe to log and send, else generates one.

        An invalid `traceparent` is dropped (https://www.w3.org/TR/trace-context/).
        """
        self.route = route
        self.id = request_id if request_id and _ID.fullmatch(request_id) else uuid.uuid4().hex
        self.traceparent = tracing.valid_traceparent(traceparent)
        self._span = tracing.begin(route, self.traceparent)
        if self._span is not None:
            self.traceparent = tracing.traceparent_of(self._span)
        self.problem: Problem | None = None
        self.fields: dict[str, Any] = {}
        self._begun = time.perf_counter()
        self._has_results = False

    def use_id(self, request_id: str) -> None:
        """Replaces the id by the client's, if that is safe to log and send."""
        if _ID.fullmatch(request_id):
            self.id = request_id

    def note(self, **fields: Any) -> None:
        """Adds fields to the request's log line."""
        self.fields |= fields

    def count_item(self, result: object, metrics: ServerMetrics) -> None:
        """Counts the result of one image or frame of the request: a problem, or any other value.

        A request that has counted some is itself no result, unless it fails. Its log line has their
        problems by type, and the detail of the first one that is the service's fault.
        """
        problem = result if isinstance(result, Problem) else None
        if not self._has_results:
            metrics.expect_failures(self.route)
        self._has_results = True
        if problem is not None:
            problems = self.fields.setdefault("problems", {})
            problems[problem.slug] = problems.get(problem.slug, 0) + 1
            if problem.status >= 500:
                self.fields.setdefault("detail", problem.detail)
        metrics.count_result(self.route, problem.status if problem else 200, problem)

    def end(self, status: int, metrics: ServerMetrics, problem: Problem | None = None) -> None:
        """Records the request in metrics, trace and log. Call it once."""
        seconds = time.perf_counter() - self._begun
        metrics.expect_failures(self.route)
        metrics.requests.labels(self.route, str(status)).inc()
        metrics.duration.labels(self.route, outcome(status)).observe(seconds)
        if problem is not None or not self._has_results:
            metrics.count_result(self.route, status, problem)
        if problem is not None:
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
    """Classifies a status, so that fast refusals and submissions don't lower the latency of
    successful requests."""
    if status == CANCELLED:
        return "cancelled"
    if status == 202:
        return "accepted"
    return "answered" if status < 400 else "refused" if status < 500 else "failed"


def as_problem(error: Exception, request_scope: RequestScope) -> Problem:
    """Returns the problem that a client receives for an exception.

    Any exception but a `Problem` is a defect: it is logged, and becomes an `Internal`.
    """
    if isinstance(error, Problem):
        return error
    log.exception("defect", id=request_scope.id, route=request_scope.route)
    return Internal("an unexpected error; the log has it under this request's id")
