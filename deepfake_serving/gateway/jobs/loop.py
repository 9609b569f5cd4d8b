"""The worker's loop: claims jobs, runs them, renews their leases and stores their outcomes.

A job is acknowledged only after its result is stored. If a worker dies in between, another worker
runs the job again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from deepfake_serving.contracts.jobs import ENDED, PART, Job, Progress, State
from deepfake_serving.contracts.problems import (
    Internal,
    InvalidRequest,
    NotFound,
    Problem,
    QuotaExceeded,
    RefusedURL,
    TooLarge,
    TooManyPixels,
    UndecodableMedia,
    UnreachableURL,
    UnsupportedMediaType,
)
from deepfake_serving.gateway.queue.records import Claim, QueueName
from deepfake_serving.gateway.queue.store import JobStore
from deepfake_serving.gateway.queue.turns import current_key
from deepfake_serving.gateway.queue.usage import CountUsage
from deepfake_serving.runtime import tracing
from deepfake_serving.runtime.scratch.workspaces import workspace
from deepfake_serving.runtime.tasks import first_of

log = structlog.get_logger(__name__)

WORKSPACES = "deepfake-job-"
"""Prefix of the folders of jobs."""

Report = Callable[[Progress], None]
_HEARTBEAT_S = 0.5
_POLL_S = 0.25

FINAL = (
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    RefusedURL,
    TooLarge,
    TooManyPixels,
    UndecodableMedia,
    UnreachableURL,
    UnsupportedMediaType,
)
"""Problems of the media or the request, which a retry cannot solve."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a job: the object key of its result, and the summary that lists show.

    `video_seconds` is what its key has used, once the job has succeeded.
    """

    result: str
    summary: dict[str, Any]
    cached: bool = False
    video_seconds: float = 0.0


Handler = Callable[[Job, Path, Report], Awaitable[Outcome]]
"""Runs jobs of one kind, each in a temporary folder. Raises `Problem`. Cancelled with its job."""


class Worker:
    """Runs jobs of a store, with a concurrency for each queue."""

    def __init__(
        self,
        store: JobStore,
        handlers: Mapping[str, Handler],
        *,
        lease_s: float,
        concurrency: Mapping[QueueName, int] | None = None,
        drain_s: float = 20.0,
        deliver: Callable[[Job], Awaitable[bool]] | None = None,
        while_running: Callable[[Job], AbstractContextManager[object]] = nullcontext,
        on_end: Callable[[Job, str], None] = lambda _job, _state: None,
        count_usage: CountUsage = lambda _key, _unit, _amount: None,
        can_run: Callable[[], bool] = lambda: True,
    ) -> None:
        """Sets up a worker.

        Args:
            handlers: By kind of job.
            concurrency: Concurrent jobs by queue; one job of `jobs` by default.
            drain_s: How long running jobs may continue after the stop.
            deliver: Delivers a job's webhook, and returns whether it succeeded.
            while_running: Returns the context of a job's handler.
            on_end: Called with each ended job and its state.
            count_usage: Called with the usage of each job that succeeded.
            can_run: Returns whether jobs are claimed now; else they wait and lose no attempt.
        """
        self.store, self.handlers = store, handlers
        self.lease_s, self.drain_s = lease_s, drain_s
        self.concurrency: Mapping[QueueName, int] = (
            {"jobs": 1} if concurrency is None else concurrency
        )
        self.deliver, self.on_end, self.count_usage = deliver, on_end, count_usage
        self.while_running = while_running
        self.can_run = can_run
        self._delivering: Counter[str | None] = Counter()
        self._claiming = asyncio.Lock()

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set, then drains.

        During the drain no job is claimed, and running jobs may finish. What still runs after
        `drain_s` returns to the queue; live sources, which have no end, return at once.
        """
        loops = [
            asyncio.create_task(self._loop(stop, queue))
            for queue, concurrency in self.concurrency.items()
            for _ in range(concurrency)
        ]
        await stop.wait()
        if not loops:
            return
        _, running = await asyncio.wait(loops, timeout=self.drain_s)
        for task in running:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    async def _loop(self, stop: asyncio.Event, queue: QueueName) -> None:
        while not stop.is_set():
            claim = None
            try:
                claim = await self._claim(queue)
                if claim is not None:
                    processing = self._process(claim)
                    await (first_of(processing, stop.wait()) if queue == "live" else processing)
                    continue
            except Problem as problem:
                log.warning("job store failed", problem=problem.slug, detail=problem.detail)
            except Exception:  # a defect in one job must not end the work on all others
                log.exception("defect", id=claim.job.id if claim else None)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _POLL_S)

    async def _process(self, claim: Claim) -> None:
        current_key.set(claim.job.owner)
        if claim.deliver:
            await self._deliver(claim)
            return
        log.info("job started", id=claim.job.id, kind=claim.job.kind, attempt=claim.job.attempt)
        run = _Run(claim)
        handling = asyncio.create_task(self._handle(claim, run.report))
        renewing = asyncio.create_task(self._renew_lease(claim, run, handling))
        try:
            await self._end(claim, run, handling)
        except asyncio.CancelledError:
            handling.cancel()
            await asyncio.gather(handling, return_exceptions=True)
            await self.store.release(claim)
            raise
        finally:
            renewing.cancel()

    async def _claim(self, queue: QueueName) -> Claim | None:
        """Claims a job; if none waits, a part of a long video.

        Receivers of webhooks may be slow, so one owner's have half of the deliveries, and others'
        wait for none of them.
        """
        if queue != "webhooks" and not self.can_run():
            return None
        if queue != "webhooks":
            claim = await self.store.claim(self.lease_s, queue)
            if claim is None and queue == "jobs" and PART in self.handlers:
                claim = await self.store.claim(self.lease_s, "parts")
            return claim
        share = max(1, self.concurrency[queue] // 2)
        async with self._claiming:  # each is counted before the next
            busy = {owner for owner, count in self._delivering.items() if count >= share}
            claim = await self.store.claim(self.lease_s, queue, busy)
            if claim is not None:
                self._delivering[claim.job.owner] += 1
            return claim

    async def _deliver(self, claim: Claim) -> None:
        try:
            success = self.deliver is not None and await self.deliver(claim.job)
        finally:
            self._delivering[claim.job.owner] -= 1
        await self.store.delivered(claim, success)

    async def _handle(self, claim: Claim, report: Report) -> Outcome:
        job = claim.job
        handler = self.handlers.get(job.kind)
        if handler is None:
            raise InvalidRequest(f"no worker handles jobs of kind {job.kind!r}")
        attributes: dict[str, str | int] = {"deepfake.job": job.id, "deepfake.attempt": job.attempt}
        with (
            self.while_running(job),
            workspace(WORKSPACES) as folder,
            tracing.work(f"{job.kind} job", job.traceparent, attributes) as traceparent,
        ):
            return await handler(replace(job, traceparent=traceparent), folder, report)

    async def _renew_lease(self, claim: Claim, run: _Run, handling: asyncio.Task[Any]) -> None:
        """Sends heartbeats; cancels the handler if the job was cancelled or the lease was lost."""
        loop = asyncio.get_running_loop()
        leased_until = loop.time() + self.lease_s
        while not handling.done():
            await asyncio.sleep(_HEARTBEAT_S)
            with suppress(Problem):  # retried while the lease lasts
                status = await self.store.heartbeat(claim, run.progress, self.lease_s)
                leased_until = loop.time() + self.lease_s
                run.lost = status == "lost"
                if status != "ok":
                    handling.cancel()
                    return
            if loop.time() > leased_until:
                run.lost = True  # for good: the handler is cancelled, so its lease must end
                handling.cancel()
                return

    async def _end(self, claim: Claim, run: _Run, handling: asyncio.Task[Outcome]) -> None:
        await asyncio.wait({handling})
        if run.lost:
            log.warning("lease lost", id=claim.job.id)
            return
        state = await self._store_outcome(claim, run, handling)
        if state in ENDED:
            log.info("job ended", id=claim.job.id, state=state, **_reason(handling))
            self.on_end(claim.job, state)
        elif state is not None:  # another attempt follows
            log.info("attempt ended", id=claim.job.id, state=state, **_reason(handling))

    async def _store_outcome(
        self, claim: Claim, run: _Run, handling: asyncio.Task[Outcome]
    ) -> State | None:
        """Stores the outcome, and retries until the store is reachable again.

        Returns:
            The job's state; None if it was deleted.
        """
        while True:
            try:
                await self._acknowledge(claim, run, handling)
                job = await self.store.get(claim.job.id)
                return None if job is None else job.state
            except Problem as problem:
                log.warning(
                    "job store failed", id=claim.job.id, problem=problem.slug, detail=problem.detail
                )
                await asyncio.sleep(_HEARTBEAT_S)

    async def _acknowledge(self, claim: Claim, run: _Run, handling: asyncio.Task[Outcome]) -> None:
        if handling.cancelled():
            await self.store.fail(claim, Internal("cancelled"), final=True)
            return
        error = handling.exception()
        if error is None:
            outcome = handling.result()
            if await self.store.finish(
                claim, outcome.result, outcome.summary, outcome.cached, run.progress
            ):
                self.count_usage(claim.job.owner, "video_seconds", outcome.video_seconds)
        elif isinstance(error, Problem):
            await self.store.fail(claim, error, final=isinstance(error, FINAL))
        else:
            log.error("defect", id=claim.job.id, exc_info=error)
            defect = Internal("the job could not be completed; the worker's log has the cause")
            await self.store.fail(claim, defect, final=False)


def _reason(handling: asyncio.Task[Outcome]) -> dict[str, str]:
    """Returns why an attempt failed, for the log; nothing if it succeeded or was cancelled."""
    error = None if handling.cancelled() else handling.exception()
    return {"problem": error.slug, "detail": error.detail} if isinstance(error, Problem) else {}


class _Run:
    """The state of a running job."""

    def __init__(self, claim: Claim) -> None:
        self.progress, self.lost = claim.job.progress, False

    def report(self, progress: Progress) -> None:
        """Stores the progress for the next heartbeat."""
        self.progress = progress
