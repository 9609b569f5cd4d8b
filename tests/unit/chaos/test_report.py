"""Goals by kind of event, and the table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.events import EVENTS
from tests.chaos.goals import Loss
from tests.chaos.jobs import JobResults
from tests.chaos.record import QUIET, Row
from tests.chaos.report import markdown, missed

LOST = Row(events=1, requests=100, failed=3)
"""Three requests whose connection ended, and whose retry succeeded."""


def test_only_killed_gateways_may_cost_requests() -> None:
    assert {name for name, event in EVENTS.items() if event.loss is Loss.IN_FLIGHT} == {
        "kill-gateway",
        "force-delete-gateway",
    }


def test_a_gateway_without_network_may_respond_late_or_never_but_costs_no_retry() -> None:
    sent = replace(LOST, responded=1)
    assert EVENTS["cut-off-gateway"].loss is Loss.SENT
    assert missed({"cut-off-gateway": sent}, JobResults()) == []
    (goal,) = missed({"cut-off-gateway": replace(sent, failed_retries=1)}, JobResults())
    assert goal.startswith("cut-off-gateway: 1 failed")


def test_a_killed_gateway_may_break_connections() -> None:
    assert missed({"kill-gateway": LOST}, JobResults()) == []


@pytest.mark.parametrize("worse", [{"failed_retries": 1}, {"responded": 1}])
def test_a_killed_gateway_may_cost_neither_a_retry_nor_a_wrong_response(
    worse: dict[str, int],
) -> None:
    (goal,) = missed({"kill-gateway": replace(LOST, **worse)}, JobResults())
    assert goal.startswith("kill-gateway: 1 failed")


@pytest.mark.parametrize("event", ["upgrade", "kill-redis", "cut-off-model-server", QUIET])
def test_nothing_else_may_cost_a_request(event: str) -> None:
    (goal,) = missed({event: LOST}, JobResults())
    assert goal.startswith(f"{event}: 3 failed")


def test_a_problem_of_a_job_is_a_missed_goal() -> None:
    assert missed({}, JobResults(problems=["j: dead"])) == ["j: dead"]


def test_the_table_has_events_in_order_and_their_sum() -> None:
    rows = {
        QUIET: Row(requests=2000, slowest_s=1.0),
        "kill-redis": Row(events=2, requests=7, slowest_s=2.5, ready_s=[1.0, 4.0]),
    }
    lines = markdown(rows, JobResults(states={"a": "succeeded", "b": "succeeded"}, refused=1))
    table = [line for line in lines.splitlines() if line.startswith("|")][2:]
    assert table == [
        "| kill-redis | 2 | 7 | 0 | 0 | 2.5 / 4.0 | 2.5 |",
        "| quiet | – | 2,000 | 0 | 0 | – | 1.0 |",
        "| all | 2 | 2,007 | 0 | 0 | – | 2.5 |",
    ]
    assert "Jobs: 2 succeeded; 1 submissions were repeated." in lines
