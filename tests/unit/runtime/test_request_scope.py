"""The id, trace, metrics and log line of a request."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from deepfake_serving.contracts.problems import Internal, Problem, TooLarge
from deepfake_serving.model_server.metrics import Metrics
from deepfake_serving.model_server.state import ServerState
from deepfake_serving.runtime.request_scope import RequestScope, as_problem

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics({}, {}, ServerState({}))


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


# Ids ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given_id", ["a", "A-1_b.c:d/e+f=g@h", "x" * 128, str(uuid.UUID(int=7))])
def test_a_safe_id_is_kept(given_id: str) -> None:
    assert RequestScope("/", given_id, None).id == given_id


@pytest.mark.parametrize(
    "given_id",
    [
        None,
        "",
        "x" * 129,
        "a b",
        "a\n",
        "a\r\nSet-Cookie: b",
        "a\x00",
        "\x1b[31m",
        "é",
        "a,b",
        "{}",
        "\ud800",
    ],
)
def test_an_unsafe_id_is_replaced_by_a_generated_one(given_id: str | None) -> None:
    created = RequestScope("/", given_id, None).id
    assert re.fullmatch("[0-9a-f]{32}", created)
    assert created != RequestScope("/", given_id, None).id


@given(given_id=st.text())
def test_no_id_can_break_a_header_or_a_line(given_id: str) -> None:
    created = RequestScope("/", given_id, None).id
    assert 1 <= len(created) <= 128
    assert created.isascii()
    assert created.isprintable()
    assert " " not in created


# Traces ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("traceparent", [TRACE, "01" + TRACE[2:], TRACE[:-2] + "00"])
def test_a_trace_is_kept(traceparent: str) -> None:
    assert RequestScope("/", None, traceparent).traceparent == traceparent


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        TRACE.upper(),
        TRACE + "\n",
        TRACE + "-00",
        TRACE[:-1],
        "ff" + TRACE[2:],
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
    ],
)
def test_invalid_trace_headers_are_dropped(traceparent: str | None) -> None:
    """https://www.w3.org/TR/trace-context/#traceparent-header"""
    assert RequestScope("/", None, traceparent).traceparent is None


# The end -----------------------------------------------------------------------------------------


def line(round_trip: RequestScope, *args: Any) -> dict[str, Any]:
    with capture_logs() as lines:
        round_trip.end(*args)
    (only,) = lines
    return dict(only)


def test_a_request_is_counted_and_logged_once(metrics: Metrics) -> None:
    round_trip = RequestScope("/predictions/{model}", "a", TRACE)
    round_trip.note(model="detector", bytes=7)
    round_trip.note(verdict="real")
    logged = line(round_trip, 200, metrics)
    assert 0 <= logged.pop("ms") < 60_000
    assert logged == {
        "event": "request",
        "log_level": "info",
        "route": "/predictions/{model}",
        "status": 200,
        "id": "a",
        "traceparent": TRACE,
        "model": "detector",
        "bytes": 7,
        "verdict": "real",
    }
    labels = {"route": "/predictions/{model}"}
    assert value(metrics, "deepfake_requests_total", code="200", **labels) == 1
    labels["outcome"] = "answered"
    assert value(metrics, "deepfake_request_duration_seconds_count", **labels) == 1


def test_the_first_failure_of_a_route_raises_its_rate(metrics: Metrics) -> None:
    """Its counter was there before: the rate of a new series misses what it begins with."""
    RequestScope("/", "a", None).end(200, metrics)
    for status in ("500", "503", "504", "507"):
        assert value(metrics, "deepfake_requests_total", route="/", code=status) == 0
        assert value(metrics, "deepfake_results_total", route="/", code=status) == 0
    for problem in ("overloaded", "upstream-unavailable"):
        assert value(metrics, "deepfake_problems_total", type=problem) == 0


@pytest.mark.parametrize(
    ("status", "became"),
    [(101, "answered"), (202, "accepted"), (304, "answered"), (400, "refused"), (429, "refused"),
     (499, "cancelled"), (500, "failed"), (507, "failed")],
)  # fmt: skip
def test_durations_are_recorded_by_outcome(metrics: Metrics, status: int, became: str) -> None:
    RequestScope("/", "a", None).end(status, metrics)
    for each in ("answered", "accepted", "refused", "failed", "cancelled"):
        labels = {"route": "/", "outcome": each}
        count = value(metrics, "deepfake_request_duration_seconds_count", **labels)
        assert (count or 0) == (each == became)


def test_a_problem_is_counted_by_its_type_and_logged_with_its_detail(metrics: Metrics) -> None:
    problem = TooLarge("the body has more than 5 bytes")
    logged = line(RequestScope("/", "a", None), 413, metrics, problem)
    assert logged["problem"] == "too-large"
    assert logged["detail"] == "the body has more than 5 bytes"
    assert "traceparent" not in logged
    assert value(metrics, "deepfake_problems_total", type="too-large") == 1
    assert value(metrics, "deepfake_requests_total", route="/", code="413") == 1


def test_the_log_line_has_the_problems_of_items(metrics: Metrics) -> None:
    request_scope = RequestScope("/", "a", None)
    for item in ({}, TooLarge("5"), Internal("a defect"), Internal("another")):
        request_scope.count_item(item, metrics)
    logged = line(request_scope, 200, metrics)
    assert logged["problems"] == {"too-large": 1, "internal": 2}
    assert logged["detail"] == "a defect"


@pytest.mark.parametrize(
    ("items", "status", "expected"),
    [
        ([], 200, {"200": 1}),
        ([{}, TooLarge("5"), Internal("a defect")], 200, {"200": 1, "413": 1, "500": 1}),
        ([{}], 500, {"200": 1, "500": 1}),
    ],
    ids=["one", "items", "items, then a failure"],
)
def test_results_are_counted_instead_of_the_request_that_has_them(
    metrics: Metrics, items: list[Any], status: int, expected: dict[str, float]
) -> None:
    request_scope = RequestScope("/", "a", None)
    for item in items:
        request_scope.count_item(item, metrics)
    request_scope.end(status, metrics, Internal("a defect") if status == 500 else None)
    for code in ("200", "413", "500"):
        counted = value(metrics, "deepfake_results_total", route="/", code=code) or 0
        assert counted == expected.get(code, 0)
    assert value(metrics, "deepfake_requests_total", route="/", code=str(status)) == 1


def test_a_problem_is_returned_unchanged() -> None:
    problem = TooLarge("5")
    with capture_logs() as lines:
        assert as_problem(problem, RequestScope("/", "a", None)) is problem
    assert lines == []


def test_an_unexpected_error_is_logged_with_the_request_id_and_hidden_from_the_client() -> None:
    try:
        raise ZeroDivisionError("secret")
    except ZeroDivisionError as error:
        with capture_logs() as lines:
            problem: Problem = as_problem(error, RequestScope("/", "a", None))
    assert type(problem) is Internal
    assert "secret" not in problem.detail
    (logged,) = lines
    assert (logged["event"], logged["id"], logged["exc_info"]) == ("defect", "a", True)
