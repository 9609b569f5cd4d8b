"""What is stored of a job, and the changes that it may go through; pure, so that every store makes
the same ones.

A claim is a lease with a fencing token: only who holds the present one can change the job, so that
a worker that was thought dead and comes back changes nothing (Kleppmann, "How to do distributed
locking", 2016).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from deepfake_serving.contracts.jobs import ENDED, LIVE, Job, Progress, State
from deepfake_serving.contracts.problems import Internal, Problem

_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 300.0
_DELIVERIES = 12
"""Attempts at a webhook: with doubling pauses, about an hour."""


Lane = Literal["jobs", "live", "webhooks"]
"""Live sources may never end, and who is told of an end may be slow to answer: they wait apart from
all else, and none holds up another."""


@dataclass(frozen=True, slots=True)
class Record:
    """A job and what its owner doesn't see.

    `due_at` is when a worker may take it: a queued job's time to be tried, a running one's end of
    lease, an ended one's time to tell its webhook; None where there is nothing to do.
    """

    job: Job
    due_at: float | None
    token: str | None = None
    cancelling: bool = False
    deliveries: int = 0

    @property
    def lane(self) -> Lane:
        """Whose workers it is for; of a job that has ended, only a webhook is left."""
        if self.job.state in ENDED:
            return "webhooks"
        return "live" if self.job.kind == LIVE else "jobs"

    def with_job(self, **changes: Any) -> Record:
        """With a job that has changed, and says so by its version."""
        return replace(self, job=replace(self.job, version=self.job.version + 1, **changes))


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that a worker holds. `deliver` where only its webhook is to be told."""

    job: Job
    token: str = field(repr=False)
    deliver: bool = False


def taken(record: Record, token: str, now: float, lease_s: float, most: int) -> Record | None:
    """As a worker takes it; or dead, where the last attempt was lost with its worker.

    Returns:
        None where it is not due.
    """
    if record.due_at is None or record.due_at > now:
        return None
    held = replace(record, token=token, due_at=now + lease_s)
    if record.job.state in ENDED:
        if record.deliveries >= _DELIVERIES:  # the last was lost with its worker
            return replace(record, token=None, due_at=None)
        return replace(held, deliveries=record.deliveries + 1)
    if record.cancelling:
        return ended(record, "cancelled", now)
    if record.job.attempt >= most:
        lost = Internal(f"the worker was lost, {record.job.attempt} times in all")
        return ended(record, "dead", now, problem=lost)
    return held.with_job(
        state="running",
        attempt=record.job.attempt + 1,
        started_at=record.job.started_at or now,
        progress=_anew(record, "starting"),
    )


def beaten(
    record: Record, token: str, now: float, lease_s: float, progress: Progress
) -> Record | None:
    """The lease renewed and the progress noted; None where the lease is another's.

    An attempt that has added a window to a live job counts as its first: only those that bring
    nothing forth use its attempts up, however long it lives.
    """
    if record.token != token or record.job.state != "running":
        return None
    held = replace(record, due_at=now + lease_s)
    if progress == record.job.progress:
        return held
    added = (progress.windows or 0) > (record.job.progress.windows or 0)
    attempt = min(1, record.job.attempt) if added else record.job.attempt
    return held.with_job(progress=progress, attempt=attempt)


def finished(
    record: Record,
    token: str,
    now: float,
    result: str,
    summary: dict[str, Any],
    cached: bool,
    progress: Progress | None = None,
) -> Record | None:
    """Succeeded, or cancelled where that was asked for; None where the lease is another's."""
    if record.token != token or record.job.state != "running":
        return None
    if record.cancelling:
        return ended(record, "cancelled", now)
    done = replace(progress or record.job.progress, stage="done", percent=100.0, eta_s=0.0)
    return ended(
        record, "succeeded", now, result=result, summary=summary, cached=cached, progress=done
    )


def failed(
    record: Record, token: str, now: float, problem: Problem, final: bool, most: int
) -> Record | None:
    """Failed for good, dead after the last attempt, or queued for another one later."""
    if record.token != token or record.job.state != "running":
        return None
    if record.cancelling:
        return ended(record, "cancelled", now)
    if final:
        return ended(record, "failed", now, problem=problem)
    if record.job.attempt >= most:
        return ended(record, "dead", now, problem=problem)
    queued = replace(record, token=None, due_at=now + _pause(record.job.attempt))
    document = problem.to_dict(record.job.id)
    return queued.with_job(state="queued", problem=document, progress=_anew(record))


def released(record: Record, token: str, now: float) -> Record | None:
    """Back in the queue at once, as if the attempt had not been; or cancelled, if so asked."""
    if record.token != token or record.job.state != "running":
        return None
    if record.cancelling:
        return ended(record, "cancelled", now)
    queued = replace(record, token=None, due_at=now)
    attempt = record.job.attempt - 1
    return queued.with_job(state="queued", attempt=attempt, progress=_anew(record))


def cancelled(record: Record, now: float) -> Record | None:
    """Ended at once where it waits, or to be ended by its worker; None where it has ended."""
    if record.job.state in ENDED:
        return None
    if record.job.state == "queued":
        return ended(record, "cancelled", now)
    return replace(record, cancelling=True).with_job()


def abandoned(record: Record, now: float) -> Record | None:
    """Cancelled, where that was asked for and the lease has run out, though no worker be there to
    take it up; None otherwise."""
    over = record.due_at is not None and record.due_at <= now
    if record.job.state == "running" and record.cancelling and over:
        return ended(record, "cancelled", now)
    return None


def delivered(record: Record, token: str, now: float, told: bool) -> Record | None:
    """The webhook told, or to be told again later, a bounded number of times."""
    if record.token != token or record.job.state not in ENDED:
        return None
    again = None if told or record.deliveries >= _DELIVERIES else now + _pause(record.deliveries)
    return replace(record, token=None, due_at=again)


def ended(
    record: Record, state: State, now: float, problem: Problem | None = None, **changes: Any
) -> Record:
    """As it ends; its webhook is due at once."""
    document = problem.to_dict(record.job.id) if problem is not None else None
    over = replace(record, token=None, due_at=now if record.job.webhook else None)
    return over.with_job(state=state, finished_at=now, problem=document, **changes)


def _anew(record: Record, stage: str = "queued") -> Progress:
    """As before any work, but for the windows that there are already."""
    return Progress(stage, windows=record.job.progress.windows)


def _pause(attempt: int) -> float:
    """Exponential backoff with full jitter
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)."""
    longest = min(_LONGEST_PAUSE_S, _PAUSE_S * 2**attempt)
    return random.uniform(longest / 2, longest)
