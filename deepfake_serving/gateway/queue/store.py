"""The job store: jobs are submitted, claimed under a lease, renewed, ended exactly once.

No job depends on a single process. It is stored before it is accepted, a worker holds it under a
lease that must be renewed, its result is stored before it succeeds, and a job whose lease has
expired is claimed by another worker.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal

import structlog

from deepfake_serving.contracts.jobs import ENDED, Job, Progress
from deepfake_serving.contracts.problems import Internal, NotFound, Overloaded, Problem
from deepfake_serving.gateway.queue import records
from deepfake_serving.gateway.queue.backend import ALL, Backend, Query, UnreadableRecord
from deepfake_serving.gateway.queue.cursor import cursor_after, parse_cursor
from deepfake_serving.gateway.queue.records import Claim, QueueName, Record
from deepfake_serving.gateway.queue.redis.url import SCHEMES
from deepfake_serving.gateway.queue.watch import ChangeWatcher

log = structlog.get_logger(__name__)

_CLAIM_BATCH = 16
"""Due jobs that a worker tries to claim before it queries again."""
_UNREADABLE_RETRY_S = 300.0
"""Until an unreadable record is tried again, perhaps by another version."""
_MAX_RUNNING = 1000


class JobStore:
    """All jobs. The state is in the backend, so many stores may be open on it at once."""

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
        self._watcher = ChangeWatcher(backend.versions)

    async def submit(
        self,
        job: Job,
        idempotency: tuple[str, str] | None = None,
        refusal: str | None = None,
        max_queued: int | None = None,
    ) -> tuple[Job, bool]:
        """Stores a new job.

        Args:
            idempotency: Key and fingerprint of the request.
            refusal: The reason why a new job is not accepted, if any.
            max_queued: The most queued jobs of the job's owner.

        Returns:
            The job, or the one that was submitted with the same key; and whether it is new.

        Raises:
            Overloaded: too many jobs are queued, or `refusal`.
            Conflict: the key was used with another request.
        """
        if refusal is None and (await self.counts()).get("queued", 0) >= self.max_queued:
            refusal = f"{self.max_queued} jobs are queued already"
        owner = None if max_queued is None or refusal is not None else job.owner
        if owner is not None and await self.backend.queued_of(owner) >= (max_queued or 0):
            refusal = f"{max_queued} jobs of this API key are queued already, its share"
        with _map_errors():
            record = await self.backend.insert(
                Record(job, due_at=job.created_at), idempotency, refusal is None
            )
        if record is None:
            raise Overloaded(str(refusal), retry_after_s=30)
        return record.job, record.job.id == job.id

    async def get(self, job_id: str) -> Job | None:
        """Returns a job."""
        with _map_errors():
            record = await self.backend.get(job_id)
        return None if record is None else record.job

    async def list(
        self, query: Query = ALL, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[Job], str | None]:
        """Returns a page of jobs, the newest first, and the cursor of the next page.

        Raises:
            InvalidCursor
        """
        page = await self.backend.page(query, limit + 1, parse_cursor(cursor))
        jobs = [record.job for record in page[:limit]]
        return jobs, cursor_after(jobs[-1]) if len(page) > limit else None

    async def claim(
        self, lease_s: float, queue: QueueName = "jobs", exclude: Collection[str | None] = ()
    ) -> Claim | None:
        """Claims a due job of a queue, except for those of some owners; None if no job is due.

        Owners take turns, and of each the job that has been due the longest comes first.
        """
        token = uuid.uuid4().hex
        for job_id in await self.backend.due(self.clock(), _CLAIM_BATCH, queue, exclude):
            try:
                record = await self.backend.update(
                    job_id,
                    lambda r: records.claimed(r, token, self.clock(), lease_s, self.max_attempts),
                )
            except UnreadableRecord as error:
                log.error("unreadable record", id=job_id, reason=str(error))
                await self.backend.defer(job_id, self.clock() + _UNREADABLE_RETRY_S)
                continue
            if record is not None and record.token == token:
                with contextlib.suppress(Problem):  # the claim counts more than the turn
                    await self.backend.served(queue, record.job.owner, self.clock())
                return Claim(record.job, token, deliver=record.job.state in ENDED)
        return None

    async def heartbeat(
        self, claim: Claim, progress: Progress, lease_s: float
    ) -> Literal["ok", "cancelled", "lost"]:
        """Renews the lease, and returns whether the job was cancelled or the lease was lost."""
        record = await self._change(
            claim.job.id,
            lambda r: records.renewed(r, claim.token, self.clock(), lease_s, progress),
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
        """Ends the job as succeeded. Its result must be stored before.

        Returns:
            False if the lease was lost.
        """
        return await self._change_claimed(
            claim,
            lambda r: records.finished(
                r, claim.token, self.clock(), result, summary, cached, progress
            ),
        )

    async def fail(self, claim: Claim, problem: Problem, *, final: bool) -> bool:
        """Ends the job as failed, or queues it for a retry. False if the lease was lost."""
        return await self._change_claimed(
            claim,
            lambda r: records.failed(
                r, claim.token, self.clock(), problem, final, self.max_attempts
            ),
        )

    async def release(self, claim: Claim) -> bool:
        """Returns the job to its queue, where another worker may claim it at once."""
        return await self._change_claimed(
            claim, lambda r: records.released(r, claim.token, self.clock())
        )

    async def delivered(self, claim: Claim, success: bool) -> bool:
        """Records an attempt to deliver the webhook."""
        return await self._change_claimed(
            claim, lambda r: records.delivered(r, claim.token, self.clock(), success)
        )

    async def cancel(self, job_id: str) -> Job:
        """Ends a queued job, or requests it from the worker of a running one.

        Raises:
            NotFound
        """
        await self._change(job_id, lambda r: records.cancelled(r, self.clock()), urgent=True)
        await self.delete_parts(job_id)
        return await self._existing(job_id)

    async def recover_abandoned(self, grace_s: float) -> None:
        """Queues the jobs of lost workers first, and ends those that were cancelled.

        Args:
            grace_s: how long the lease of a job must have ended before it is queued.
        """
        running = Query(state="running")
        for record in await self.backend.page(running, _MAX_RUNNING, None):
            if records.recovered(record, self.clock(), grace_s):
                await self._change(
                    record.job.id, lambda r: records.recovered(r, self.clock(), grace_s)
                )

    async def delete(self, job_id: str) -> None:
        """Deletes a job with its parts."""
        await self.backend.remove(job_id)
        await self.delete_parts(job_id)

    async def submit_part(self, part: Job) -> None:
        """Stores a part of a long video, whose id is that of its job, a dash and a number."""
        await self.backend.insert(Record(part, due_at=part.created_at), None, accept_new=True)

    async def take_part(self, part_id: str) -> bool:
        """Ends a part that no worker holds; returns whether it did so."""
        part = await self._change(part_id, lambda r: records.taken_over(r, self.clock()))
        return part is not None

    async def delete_parts(self, job_id: str) -> None:
        """Deletes the parts of a job, so that their workers lose them."""
        for part_id in await self.backend.parts(job_id):
            await self.backend.remove(part_id)

    async def counts(self) -> dict[str, int]:
        """Returns the number of jobs by state."""
        return await self.backend.counts()

    async def oldest_queued_age(self) -> float:
        """Returns the age of the oldest queued job in seconds; 0 if none is queued."""
        created = await self.backend.oldest_queued()
        return 0.0 if created is None else max(0.0, self.clock() - created)

    async def changed(self, job: Job, timeout_s: float) -> Job | None:
        """Waits until a job has changed; None after the timeout.

        A failover of Redis may take versions back, so the job is compared as well in the end.

        Raises:
            NotFound: the job was deleted.
        """
        await self._watcher.wait(job.id, job.version, timeout_s)
        current = await self._existing(job.id)
        return None if current == job else current

    def watching(self) -> AbstractAsyncContextManager[None]:
        """Polls for `changed` while the context is open."""
        return self._watcher.polling()

    async def _existing(self, job_id: str) -> Job:
        job = await self.get(job_id)
        if job is None:
            raise NotFound("the job was deleted")
        return job

    async def _change(
        self, job_id: str, change: Callable[[Record], Record | None], urgent: bool = False
    ) -> Record | None:
        with _map_errors():
            return await self.backend.update(job_id, change, urgent)

    async def _change_claimed(
        self, claim: Claim, change: Callable[[Record], Record | None]
    ) -> bool:
        return await self._change(claim.job.id, change) is not None


@contextlib.contextmanager
def _map_errors() -> Iterator[None]:
    """Maps an unreadable record to a problem."""
    try:
        yield
    except UnreadableRecord as error:
        raise Internal(str(error)) from error


@asynccontextmanager
async def open_store(
    url: str, *, max_queued: int, max_attempts: int, redis_min_replicas: int | None = None
) -> AsyncIterator[JobStore]:
    """Opens the store at `sqlite:///path`, `unix:///socket` or a URL of `redis.url.SCHEMES`.

    Raises:
        ValueError: the URL has another scheme, or can't be read.
    """
    opening: AbstractAsyncContextManager[Backend]
    if url.startswith("sqlite:///"):
        from deepfake_serving.gateway.queue.sqlite import open_sqlite

        opening = open_sqlite(url.removeprefix("sqlite://"))
    elif url.startswith((*SCHEMES, "unix://")):
        from deepfake_serving.gateway.queue.redis.backend import open_redis

        opening = open_redis(url, redis_min_replicas)
    else:
        raise ValueError(f"jobs: {url.partition(':')[0]}: expected sqlite:///path or redis://…")
    async with opening as backend:
        store = JobStore(backend, max_queued=max_queued, max_attempts=max_attempts)
        async with store.watching():
            yield store
