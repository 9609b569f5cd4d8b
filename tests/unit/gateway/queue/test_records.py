"""Transitions of a job's record at their limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.queue.records import Record, claimed, delivered, failed, released

NOW, LEASE, DELIVERIES, TOKEN = 1000.0, 10.0, 12, "t"


def running(**changes: object) -> Record:
    """Returns the record of a job in its first attempt, with the token `TOKEN`."""
    job = Job("a", "video", "queued", Source("a"), {}, NOW, webhook="https://example.org")
    claim = claimed(Record(job, due_at=NOW), TOKEN, NOW, LEASE, 3)
    assert claim is not None
    return replace(claim, **changes)  # type: ignore[arg-type]


def ended(**changes: object) -> Record:
    """Returns the record of a job that has ended, whose webhook is due."""
    record = released(running(cancelling=True), TOKEN, NOW)
    assert record is not None
    return replace(record, **changes)  # type: ignore[arg-type]


def test_a_cancelled_job_ends_when_its_worker_returns_it() -> None:
    assert ended().job.state == "cancelled"


def test_a_retry_waits_for_at_least_half_the_backoff() -> None:
    for _ in range(100):
        record = failed(running(), TOKEN, NOW, UpstreamUnavailable("away"), False, 3)
        assert record is not None
        assert record.due_at is not None
        assert NOW + 2 <= record.due_at <= NOW + 4


@pytest.mark.parametrize(
    ("deliveries", "state"), [(DELIVERIES - 1, "pending"), (DELIVERIES, "failed")]
)
def test_a_webhook_is_given_up_after_its_last_delivery(deliveries: int, state: str) -> None:
    last = delivered(ended(token=TOKEN, deliveries=deliveries), TOKEN, NOW, success=False)
    assert last is not None
    assert last.job.delivery is not None
    assert (last.job.delivery.state, last.due_at is None) == (state, state == "failed")


def test_a_webhook_whose_last_delivery_was_lost_is_given_up() -> None:
    lost = claimed(ended(deliveries=DELIVERIES), "u", NOW, LEASE, 3)
    assert lost is not None
    assert (lost.due_at, lost.job.delivery and lost.job.delivery.state) == (None, "failed")
