"""Jobs, kept: submitted, claimed under a lease, renewed, ended exactly once, watched.

A job is at the mercy of no process: it is stored before it is accepted, a worker holds it under a
lease that must be renewed, its result is stored before it has succeeded, and a lease that has run
out is taken up by another worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal

import structlog

from deepfake_serving.contracts.jobs import ENDED, Job, Progress, State
from deepfake_serving.contracts.problems import Internal, NotFound, Overloaded, Problem
from deepfake_serving.gateway.jobs import records
from deepfake_serving.gateway.jobs.backend import Backend, Query, UnreadableRecord
from deepfake_serving.gateway.jobs.records import Claim, Lane, Record

log = structlog.get_logger(__name__)

_POLL_S = 0.25
_GONE = 2**62
"""In place of a version, of a job that is no more."""
_LOOK_AT = 16
"""Due jobs that a worker tries to claim before it looks again."""
_UNREADABLE_S = 300.0
"""Until a record that could not be read is looked at again, perhaps by another version."""
_RUNNING = 1000


class JobStore:
    """All jobs. Its state lies in the backend, so that many may be open on it at once."""

    def __init__(
        self,
        backend: Backend,
        *,
        max_queued: int = 1000,
        max_attempts: int = 5,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.backend, self.clock = backend, clock
        self.max_queued, self.max_attempts = max_queued, max_attempts
        self._watched: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._versions: dict[str, int] = {}

    async def submit(
        self,
        job: Job,
        idempotency: tuple[str, str, str] | None = None,
        full: str | None = None,
    ) -> tuple[Job, bool]:
        """Stores a new job.

        Args:
            idempotency: owner, key and fingerprint of the request.
            full: why there is no room for this one, where there isn't.

        Returns:
            The job, or the one that the same key made before; and whether it is new.

        Raises:
            Overloaded: too many wait.
            Conflict: the key was used with another request.
        """
        if full is None and (await self.counts()).get("queued", 0) >= self.max_queued:
            full = f"{self.max_queued} jobs are waiting already"
        once = None if idempotency is None else (":".join(idempotency[:2]), idempotency[2])
        with _telling():
            record = await self.backend.insert(
                Record(job, due_at=job.created_at), once, full is None
            )
        if record is None:
            raise Overloaded(str(full), retry_after_s=30)
        return record.job, record.job.id == job.id

    async def get(self, job_id: str) -> Job | None:
        with _telling():
            record = await self.backend.get(job_id)
        return None if record is None else record.job

    async def list(
        self,
        *,
        owner: str | None = None,
        state: State | None = None,
        kind: str | None = None,
        text: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[Job], str | None]:
        """A page of jobs, the newest first, and the cursor of the next one."""
        query = Query(owner, state, kind, text)
        found = await self.backend.page(query, limit + 1, _place(cursor))
        jobs = [record.job for record in found[:limit]]
        return jobs, f"{jobs[-1].created_at!r}:{jobs[-1].id}" if len(found) > limit else None

    async def claim(self, lease_s: float, lane: Lane = "jobs") -> Claim | None:
        """The job of a lane that has been due the longest, if any is."""
        token = uuid.uuid4().hex
        for job_id in await self.backend.due(self.clock(), _LOOK_AT, lane):
            try:
                record = await self.backend.update(
                    job_id,
                    lambda r: records.taken(r, token, self.clock(), lease_s, self.max_attempts),
                )
            except UnreadableRecord as error:
                log.error("unreadable record", id=job_id, reason=str(error))
                await self.backend.defer(job_id, self.clock() + _UNREADABLE_S)
                continue
            if record is not None and record.token == token:
                return Claim(record.job, token, deliver=record.job.state in ENDED)
        return None

    async def beat(
        self, claim: Claim, progress: Progress, lease_s: float
    ) -> Literal["ok", "cancelled", "lost"]:
        """Renews the lease; says whether the work is still wanted, and still this worker's."""
        record = await self._change(
            claim.job.id,
            lambda r: records.beaten(r, claim.token, self.clock(), lease_s, progress),
        )
        if record is None:
            return "lost"
        return "cancelled" if record.cancelling else "ok"

    async def finish(
        self,
        claim: Claim,
        result: str,
        summary: dict[str, Any],
        cached: bool = False,
        progress: Progress | None = None,
    ) -> bool:
        """Ends the job well; the result must be stored already. False where it was lost."""
        return await self._ended(
            claim,
            lambda r: records.finished(
                r, claim.token, self.clock(), result, summary, cached, progress
            ),
        )

    async def fail(self, claim: Claim, problem: Problem, *, final: bool) -> bool:
        """Ends the job badly, or queues it for another attempt. False where it was lost."""
        return await self._ended(
            claim,
            lambda r: records.failed(
                r, claim.token, self.clock(), problem, final, self.max_attempts
            ),
        )

    async def release(self, claim: Claim) -> bool:
        """Gives the job back, for another worker to take at once."""
        return await self._ended(claim, lambda r: records.released(r, claim.token, self.clock()))

    async def delivered(self, claim: Claim, told: bool) -> bool:
        """Notes whether the webhook could be told."""
        return await self._ended(
            claim, lambda r: records.delivered(r, claim.token, self.clock(), told)
        )

    async def cancel(self, job_id: str) -> Job:
        """Ends a queued job, and asks the worker of a running one to.

        Raises:
            NotFound
        """
        await self._change(job_id, lambda r: records.cancelled(r, self.clock()))
        job = await self.get(job_id)
        if job is None:
            raise NotFound("the job is no more")
        return job

    async def end_abandoned(self) -> None:
        """Ends what was cancelled while its worker was lost, where no other worker is there to."""
        running = Query(state="running")
        for record in await self.backend.page(running, _RUNNING, None):
            if records.abandoned(record, self.clock()):
                await self._change(record.job.id, lambda r: records.abandoned(r, self.clock()))

    async def delete(self, job_id: str) -> None:
        await self.backend.remove(job_id)

    async def counts(self) -> dict[str, int]:
        """Jobs by state."""
        return await self.backend.counts()

    async def oldest_queued_age(self) -> float:
        """Seconds that the oldest queued job has waited; 0 where none waits."""
        created = await self.backend.oldest_queued()
        return 0.0 if created is None else max(0.0, self.clock() - created)

    async def changed(self, job_id: str, version: int, timeout_s: float) -> Job | None:
        """The job as soon as it has another version; None after a while without.

        However many watch, the backend is asked by one poller alone.

        Raises:
            NotFound: it is no more.
        """
        event = asyncio.Event()
        self._watched[job_id].add(event)
        try:
            async with asyncio.timeout(timeout_s):
                while self._versions.get(job_id, version) <= version:
                    event.clear()
                    await event.wait()
        except TimeoutError:
            return None
        finally:
            self._watched[job_id].discard(event)
            if not self._watched[job_id]:
                del self._watched[job_id]
                self._versions.pop(job_id, None)
        job = await self.get(job_id)
        if job is None:
            raise NotFound("the job is no more")
        return job

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Polls for those who watch meanwhile."""
        polling = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(_POLL_S)
            if not self._watched:
                continue
            with contextlib.suppress(Problem):  # the next time, perhaps
                watched = list(self._watched)
                found = await self.backend.versions(watched)
                for job_id in watched:
                    self._tell(job_id, found.get(job_id, _GONE))

    def _tell(self, job_id: str, version: int) -> None:
        events = self._watched.get(job_id)
        if events is None:  # nobody watches any more
            return
        self._versions[job_id] = version
        for event in events:
            event.set()

    async def _change(
        self, job_id: str, change: Callable[[Record], Record | None]
    ) -> Record | None:
        with _telling():
            return await self.backend.update(job_id, change)

    async def _ended(self, claim: Claim, change: Callable[[Record], Record | None]) -> bool:
        return await self._change(claim.job.id, change) is not None


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    """Tells those who ask for one job why they can't have it."""
    try:
        yield
    except UnreadableRecord as error:
        raise Internal(str(error)) from error


def _place(cursor: str | None) -> tuple[float, str] | None:
    """What a cursor says; one that says nothing begins anew."""
    created, _, job_id = (cursor or "").partition(":")
    with contextlib.suppress(ValueError):
        return float(created), job_id
    return None


@asynccontextmanager
async def open_store(url: str, *, max_queued: int, max_attempts: int) -> AsyncIterator[JobStore]:
    """The store at `sqlite:///path` or `redis://…`.

    Raises:
        ValueError: another URL.
    """
    opening: AbstractAsyncContextManager[Backend]
    if url.startswith("sqlite:///"):
        from deepfake_serving.gateway.jobs.sqlite import open_sqlite

        opening = open_sqlite(url.removeprefix("sqlite://"))
    elif url.startswith(("redis://", "rediss://", "unix://")):
        from deepfake_serving.gateway.jobs.redis import open_redis

        opening = open_redis(url)
    else:
        raise ValueError(f"jobs: {url.partition(':')[0]}: sqlite:///path or redis://… is expected")
    async with opening as backend:
        store = JobStore(backend, max_queued=max_queued, max_attempts=max_attempts)
        async with store.watching():
            yield store
