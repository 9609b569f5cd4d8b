"""The worker's loop: claim, work, renew the lease meanwhile, store what came of it, say so.

A job is acknowledged only after its result is stored: whoever dies in between has done the work in
vain, and another does it anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from deepfake_serving.contracts.jobs import Job, Progress
from deepfake_serving.contracts.problems import (
    Internal,
    InvalidRequest,
    NotFound,
    Problem,
    RefusedURL,
    TooLarge,
    TooManyPixels,
    UndecodableMedia,
    UnreachableURL,
    UnsupportedMediaType,
)
from deepfake_serving.gateway.jobs.records import Claim, Lane
from deepfake_serving.gateway.jobs.store import JobStore
from deepfake_serving.runtime import tracing
from deepfake_serving.runtime.tasks import first_of

log = structlog.get_logger(__name__)

Report = Callable[[Progress], None]
_BEAT_S = 0.5
_IDLE_S = 0.25

FINAL = (
    InvalidRequest,
    NotFound,
    RefusedURL,
    TooLarge,
    TooManyPixels,
    UndecodableMedia,
    UnreachableURL,
    UnsupportedMediaType,
)
"""The medium's fault, or the caller's: another attempt would end alike."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job: the key of its stored result, and the few words that lists show."""

    result: str
    summary: dict[str, Any]
    cached: bool = False


Handler = Callable[[Job, Path, Report], Awaitable[Outcome]]
"""Does one kind of job in a folder of its own; raises `Problem`; is cancelled when the job is."""


class Worker:
    """Takes jobs from a store, so many at once."""

    def __init__(
        self,
        store: JobStore,
        handlers: Mapping[str, Handler],
        *,
        lease_s: float,
        places: Mapping[Lane, int] | None = None,
        drain_s: float = 20.0,
        tell: Callable[[Job], Awaitable[bool]] | None = None,
        ended: Callable[[Job, str], None] = lambda _job, _state: None,
    ) -> None:
        """`places` is how much of each lane is done at once, one job unless it is given; `tell`
        tells a job's webhook, and whether it could; `ended` is told of each job's end."""
        self.store, self.handlers = store, handlers
        self.lease_s, self.drain_s = lease_s, drain_s
        self.places: Mapping[Lane, int] = {"jobs": 1} if places is None else places
        self.tell, self.ended = tell, ended

    async def run(self, stop: asyncio.Event) -> None:
        """Works until told to stop: then nothing new is claimed, what runs may go on for a while,
        and what is left then goes back to the queue; live sources, which don't end, at once."""
        loops = [
            asyncio.create_task(self._loop(stop, lane))
            for lane, places in self.places.items()
            for _ in range(places)
        ]
        await stop.wait()
        _, running = await asyncio.wait(loops, timeout=self.drain_s)
        for task in running:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    async def _loop(self, stop: asyncio.Event, lane: Lane) -> None:
        while not stop.is_set():
            claim = None
            try:
                claim = await self.store.claim(self.lease_s, lane)
                if claim is not None:
                    holding = self._hold(claim)
                    await (first_of(holding, stop.wait()) if lane == "live" else holding)
                    continue
            except Problem as problem:
                log.warning("store", problem=problem.slug, detail=problem.detail)
            except Exception:  # one job's defect must not end the work on all others
                log.exception("defect", id=claim.job.id if claim else None)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _IDLE_S)

    async def _hold(self, claim: Claim) -> None:
        if claim.deliver:
            told = self.tell is not None and await self.tell(claim.job)
            await self.store.delivered(claim, told)
            return
        log.info("job", id=claim.job.id, kind=claim.job.kind, attempt=claim.job.attempt)
        held = _Held(claim)
        working = asyncio.create_task(self._work(claim, held.report))
        beating = asyncio.create_task(self._beat(claim, held, working))
        try:
            await self._conclude(claim, held, working)
        except asyncio.CancelledError:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await self.store.release(claim)
            raise
        finally:
            beating.cancel()

    async def _work(self, claim: Claim, report: Report) -> Outcome:
        handler = self.handlers.get(claim.job.kind)
        if handler is None:
            raise InvalidRequest(f"no worker does jobs of the kind {claim.job.kind!r}")
        job = claim.job
        said: dict[str, str | int] = {"deepfake.job": job.id, "deepfake.attempt": job.attempt}
        with (
            tempfile.TemporaryDirectory(prefix="deepfake-job-") as workspace,
            tracing.work(f"{job.kind} job", job.traceparent, said) as traceparent,
        ):
            return await handler(replace(job, traceparent=traceparent), Path(workspace), report)

    async def _beat(self, claim: Claim, held: _Held, working: asyncio.Task[Any]) -> None:
        """Renews the lease; ends the work when nobody wants it, or it is another's by now."""
        loop = asyncio.get_running_loop()
        sure_until = loop.time() + self.lease_s
        while not working.done():
            await asyncio.sleep(_BEAT_S)
            with contextlib.suppress(Problem):  # the next time, as long as the lease lasts
                said = await self.store.beat(claim, held.progress, self.lease_s)
                sure_until = loop.time() + self.lease_s
                held.lost = said == "lost"
                if said != "ok":
                    working.cancel()
                    return
            if loop.time() > sure_until:
                held.lost = True
                working.cancel()

    async def _conclude(self, claim: Claim, held: _Held, working: asyncio.Task[Outcome]) -> None:
        await asyncio.wait({working})
        if held.lost:
            log.warning("lost", id=claim.job.id)
            return
        state = await self._store(claim, held, working)
        if state is not None:
            log.info("ended", id=claim.job.id, state=state)
            self.ended(claim.job, state)

    async def _store(self, claim: Claim, held: _Held, working: asyncio.Task[Outcome]) -> str | None:
        """Says what came of it, again and again while the store is away and the lease lasts."""
        while True:
            try:
                await self._say(claim, held, working)
                job = await self.store.get(claim.job.id)
                return None if job is None else job.state
            except Problem as problem:
                log.warning("store", id=claim.job.id, problem=problem.slug, detail=problem.detail)
                await asyncio.sleep(_BEAT_S)

    async def _say(self, claim: Claim, held: _Held, working: asyncio.Task[Outcome]) -> None:
        if working.cancelled():
            await self.store.fail(claim, Internal("cancelled"), final=True)
            return
        error = working.exception()
        if error is None:
            outcome = working.result()
            await self.store.finish(
                claim, outcome.result, outcome.summary, outcome.cached, held.progress
            )
        elif isinstance(error, Problem):
            await self.store.fail(claim, error, final=isinstance(error, FINAL))
        else:
            log.error("defect", id=claim.job.id, exc_info=error)
            defect = Internal("the job could not be done; the log says why")
            await self.store.fail(claim, defect, final=False)


class _Held:
    """What is known of a job that runs."""

    def __init__(self, claim: Claim) -> None:
        self.progress, self.lost = claim.job.progress, False

    def report(self, progress: Progress) -> None:
        self.progress = progress
