"""Records of jobs and their state transitions: pure functions, shared by all backends.

A claim is a lease with a fencing token. Only the holder of the current token can change the job, so
a worker that was taken for dead and returns changes nothing (Kleppmann, "How to do distributed
locking", 2016).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from deepfake_serving.contracts.jobs import (
    ENDED,
    IMAGE,
    LIVE,
    PART,
    Job,
    Progress,
    State,
    WebhookDelivery,
)
from deepfake_serving.contracts.problems import Internal, Problem

_BACKOFF_S, _MAX_BACKOFF_S = 2.0, 300.0
_JOB_GROWTH, _WEBHOOK_GROWTH = 4.0, 2.0
"""Factors between two delays. Five attempts at a job outlast an outage of 170 s."""
_MAX_DELIVERIES = 12
"""Attempts to deliver a webhook. With doubling pauses they take about an hour."""


_FIRST = 0.0
"""The due time of jobs that come before all others."""

QueueName = Literal["jobs", "parts", "images", "live", "webhooks"]
"""Videos take minutes, images less than a second, live sources may run forever and receivers of
webhooks may be slow, so each has its own queue and none blocks another. Parts of long videos come
after all jobs."""
QUEUE_BY_KIND: dict[str, QueueName] = {IMAGE: "images", LIVE: "live", PART: "parts"}
"""The queues of kinds of jobs; others wait in `jobs`."""


@dataclass(frozen=True, slots=True)
class Record:
    """A job with its internal fields.

    `due_at` is when a worker may claim it: the next attempt of a queued job, the end of a running
    job's lease, the next webhook delivery of an ended job. None if there is nothing to do.
    """

    job: Job
    due_at: float | None
    token: str | None = None
    cancelling: bool = False
    deliveries: int = 0

    @property
    def queue(self) -> QueueName:
        """The queue it waits in. An ended job only waits for its webhook."""
        if self.job.state in ENDED:
            return "webhooks"
        return QUEUE_BY_KIND.get(self.job.kind, "jobs")

    def with_job(self, **changes: Any) -> Record:
        """Returns a record whose job has the changes and the next version."""
        return replace(self, job=replace(self.job, version=self.job.version + 1, **changes))


@dataclass(frozen=True, slots=True)
class Claim:
    """A job under a worker's lease. `deliver` means that only its webhook is due."""

    job: Job
    token: str = field(repr=False)
    deliver: bool = False


def claimed(
    record: Record, token: str, now: float, lease_s: float, max_attempts: int
) -> Record | None:
    """Claims a due record; None if it is not due.

    A job that was cancelled, or whose last attempt was lost with its worker, ends instead.
    """
    if record.due_at is None or record.due_at > now:
        return None
    leased = replace(record, token=token, due_at=now + lease_s)
    if record.job.state in ENDED:
        if record.deliveries >= _MAX_DELIVERIES:  # the last one was lost with its worker
            lost_at = replace(record, token=None, due_at=None)
            return lost_at.with_job(delivery=WebhookDelivery("failed", record.deliveries))
        return replace(leased, deliveries=record.deliveries + 1)
    if record.cancelling:
        return ended(record, "cancelled", now)
    if record.job.attempt >= max_attempts:
        lost = Internal(f"the worker was lost {record.job.attempt} times")
        return ended(record, "dead", now, problem=lost)
    return leased.with_job(
        state="running",
        attempt=record.job.attempt + 1,
        started_at=record.job.started_at or now,
        progress=_initial_progress(record, "starting"),
    )


def renewed(
    record: Record, token: str, now: float, lease_s: float, progress: Progress
) -> Record | None:
    """Renews the lease and stores the progress; None if another worker holds the lease.

    An attempt at a live job that adds a window counts as its first. So only attempts without a
    result use up the limit, however long the job runs.
    """
    if record.token != token or record.job.state != "running":
        return None
    leased = replace(record, due_at=now + lease_s)
    if progress == record.job.progress:
        return leased
    has_new_window = (progress.windows or 0) > (record.job.progress.windows or 0)
    attempt = min(1, record.job.attempt) if has_new_window else record.job.attempt
    return leased.with_job(progress=progress, attempt=attempt)


def finished(
    record: Record,
    token: str,
    now: float,
    result: str,
    summary: dict[str, Any],
    cached: bool,
    progress: Progress | None = None,
) -> Record | None:
    """Ends the job as succeeded, or as cancelled if that was requested.

    Returns:
        None if another worker holds the lease.
    """
    if record.token != token or record.job.state != "running":
        return None
    if record.cancelling:
        return ended(record, "cancelled", now)
    done = replace(progress or record.job.progress, stage="done", percent=100.0, eta_s=0.0)
    return ended(
        record, "succeeded", now, result=result, summary=summary, cached=cached, progress=done
    )


def failed(
    record: Record, token: str, now: float, problem: Problem, final: bool, max_attempts: int
) -> Record | None:
    """Ends the job as failed, as dead after the last attempt, or queues it for a retry.

    Returns:
        None if another worker holds the lease.
    """
    if record.token != token or record.job.state != "running":
        return None
    if record.cancelling:
        return ended(record, "cancelled", now)
    if final:
        return ended(record, "failed", now, problem=problem)
    if record.job.attempt >= max_attempts:
        return ended(record, "dead", now, problem=problem)
    queued = replace(record, token=None, due_at=now + _backoff_s(record.job.attempt, _JOB_GROWTH))
    document = problem.to_dict(record.job.id)
    return queued.with_job(state="queued", problem=document, progress=_initial_progress(record))


def released(record: Record, token: str, now: float) -> Record | None:
    """Returns the job to the queue without counting the attempt, or ends a cancelled one."""
    if record.token != token or record.job.state != "running":
        return None
    if record.cancelling:
        return ended(record, "cancelled", now)
    queued = replace(record, token=None, due_at=now)
    attempt = record.job.attempt - 1
    return queued.with_job(state="queued", attempt=attempt, progress=_initial_progress(record))


def cancelled(record: Record, now: float) -> Record | None:
    """Ends a queued job, or requests it from the worker of a running one; None if it has ended."""
    if record.job.state in ENDED:
        return None
    if record.job.state == "queued":
        return ended(record, "cancelled", now)
    return replace(record, cancelling=True).with_job()


def taken_over(record: Record, now: float) -> Record | None:
    """Ends a part for the worker of the whole video, which analyses it itself.

    Returns:
        None if it has ended, or another worker holds it.
    """
    held = record.job.state == "running" and record.due_at is not None and record.due_at > now
    return None if held or record.job.state in ENDED else ended(record, "cancelled", now)


def recovered(record: Record, now: float, grace_s: float) -> Record | None:
    """Returns the job of a lost worker to the head of its queue, or ends it if it was cancelled.

    Without this it would be due only since its lease ended, and so wait behind the whole backlog.

    Args:
        grace_s: how long a lease must have ended, since its worker may be late only.

    Returns:
        None if the job is not running, or its worker is not lost.
    """
    if record.job.state != "running" or record.due_at is None or record.due_at > now:
        return None
    if record.cancelling:
        return ended(record, "cancelled", now)
    if record.due_at > now - grace_s:
        return None
    queued = replace(record, token=None, due_at=_FIRST)
    problem = Internal("the worker was lost; the job is next in its queue")
    return queued.with_job(
        state="queued", problem=problem.to_dict(record.job.id), progress=_initial_progress(record)
    )


def delivered(record: Record, token: str, now: float, success: bool) -> Record | None:
    """Ends the delivery of a webhook, or schedules another one, up to a limit."""
    if record.token != token or record.job.state not in ENDED:
        return None
    done = success or record.deliveries >= _MAX_DELIVERIES
    due_at = None if done else now + _backoff_s(record.deliveries, _WEBHOOK_GROWTH)
    outcome: Literal["pending", "delivered", "failed"] = "failed" if done else "pending"
    delivery = WebhookDelivery("delivered" if success else outcome, record.deliveries, now)
    return replace(record, token=None, due_at=due_at).with_job(delivery=delivery)


def ended(
    record: Record, state: State, now: float, problem: Problem | None = None, **changes: Any
) -> Record:
    """Ends the job. Its webhook is due at once."""
    document = problem.to_dict(record.job.id) if problem is not None else None
    unleased = replace(record, token=None, due_at=now if record.job.webhook else None)
    delivery = WebhookDelivery() if record.job.webhook else None
    return unleased.with_job(
        state=state, finished_at=now, problem=document, delivery=delivery, **changes
    )


def _initial_progress(record: Record, stage: str = "queued") -> Progress:
    """Resets the progress, except for the windows that exist already."""
    return Progress(stage, windows=record.job.progress.windows)


def _backoff_s(attempt: int, growth: float) -> float:
    """Returns an exponential backoff with jitter, in seconds.

    See https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    longest = min(_MAX_BACKOFF_S, 2 * _BACKOFF_S * growth ** (attempt - 1))
    return random.uniform(longest / 2, longest)
