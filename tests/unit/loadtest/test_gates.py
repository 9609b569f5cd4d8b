"""Gates: runs that pass, runs that fail, and failures among many successes."""

from __future__ import annotations

import pytest

from loadtest.gates import Gates, Row

POST = ("POST", "/v1/images")
MEASURES = {"ImageRest": POST}


def row(kind: str = "POST", name: str = "/v1/images", requests: int = 100, failures: int = 0, **of):
    return Row(kind, name, requests, failures, **of)


def reasons(*rows: Row, crashes: int = 0, measures: dict = MEASURES, **gates) -> list[str]:
    return Gates(**gates).reasons(rows, measures, crashes)


def test_good_responses_pass():
    assert reasons(row(p95=250.0), max_p95_ms=250.0) == []


def test_no_requests_are_a_failure():
    assert reasons() == ["ImageRest: 0 successful requests, fewer than 1"]


def test_failed_responses_do_not_count_as_good():
    (few,) = reasons(row(requests=10, failures=4), max_failure_ratio=0.5, min_requests=7)
    assert few == "ImageRest: 6 successful requests, fewer than 7"


def test_every_user_needs_its_own_good_responses():
    measures = MEASURES | {"Live": ("WS", "/v1/stream")}
    assert reasons(row(), measures=measures) == ["Live: 0 successful requests, fewer than 1"]


@pytest.mark.parametrize(("failures", "passes"), [(0, True), (5, True), (6, False)])
def test_the_share_of_failures_is_limited(failures: int, passes: bool):
    assert (reasons(row(failures=failures), max_failure_ratio=0.05) == []) is passes


def test_a_single_failure_fails_by_default():
    (reason,) = reasons(row(requests=100_000, failures=1))
    assert reason.startswith("POST /v1/images: 1 of 100000 failed")


def test_many_fast_requests_do_not_hide_a_few_failures():
    looks = row("GET", "/v1/jobs/[id]", requests=10_000)
    (reason,) = reasons(row(), looks, row("JOB", "/v1/videos", 10, 5), max_failure_ratio=0.1)
    assert reason.startswith("JOB /v1/videos: 5 of 10 failed (50.00%)")


def test_refusals_are_a_share_of_all_requests():
    refused = row("POST refused", requests=10, failures=10)
    assert reasons(row(requests=90), refused, max_failure_ratio=0.1) == []
    assert reasons(row(requests=89), refused, max_failure_ratio=0.1) != []


def test_allowed_refusals_pass_but_do_not_count_as_responses():
    refused = row("POST refused", requests=10)
    assert reasons(row(), refused) == []
    assert reasons(refused) == ["ImageRest: 0 successful requests, fewer than 1"]


def test_every_kind_of_request_is_within_the_latency_limit():
    slow = row("JOB", "/v1/videos", p95=900.0)
    assert reasons(row(p95=20.0), slow, max_p95_ms=500) == [
        "JOB /v1/videos: p95 is 900 ms, above 500 ms"
    ]


def test_refused_requests_have_no_latency_limit():
    turned_away = row("WS dropped", p95=900.0), row("POST refused", p95=900.0)
    assert reasons(row(p95=20.0), *turned_away, max_p95_ms=500) == []


def test_a_defect_of_the_test_itself_is_a_failure():
    assert reasons(row(), crashes=2) == ["2 exceptions within the load test itself"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_failure_ratio": 1.0},
        {"max_failure_ratio": -0.1},
        {"max_failure_ratio": float("nan")},
        {"max_p95_ms": 0},
        {"max_p95_ms": float("nan")},
        {"min_requests": 0},
    ],
)
def test_limits_that_cannot_fail_are_refused(wrong: dict):
    with pytest.raises(ValueError):
        Gates(**wrong)
