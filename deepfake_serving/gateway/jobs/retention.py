"""Retention: deletes old ended jobs, the oldest ones if all exceed a size, and orphaned objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import NamedTuple

import structlog

from deepfake_serving.contracts.jobs import ENDED
from deepfake_serving.contracts.problems import Internal
from deepfake_serving.gateway.feedback.store import FeedbackStore
from deepfake_serving.gateway.queue.fairness import to_make_room
from deepfake_serving.gateway.queue.store import JobStore
from deepfake_serving.gateway.storage.objects import Objects

log = structlog.get_logger(__name__)

_PAGE = 200
_ORPHAN_AGE_S = 3600.0


class _Job(NamedTuple):
    """The little of a stored job that is in memory: there may be very many. `ended_at` is None
    until it has ended."""

    id: str
    owner: str | None
    ended_at: float | None


async def delete_expired(
    store: JobStore, objects: Objects, max_age_s: float, max_bytes: int
) -> int:
    """Deletes ended jobs with their objects and the feedback on them, and returns how many.

    Args:
        max_age_s: Age since the end of a job.
        max_bytes: Size of the objects of all jobs. Above it, jobs of the API key with the most
            bytes are deleted, those that ended first: no key displaces what others have stored.
    """
    now = store.clock()
    await _delete_cache_entries(objects, now - max_age_s)
    sizes, modified = await _stored(objects)
    jobs = {job.id: job async for job in _all(store)}
    for job_id, at in modified.items():
        if job_id not in jobs and at < now - _ORPHAN_AGE_S and not await _exists(store, job_id):
            await objects.delete_all(f"jobs/{job_id}")
            sizes.pop(job_id)
    total, deleted = sum(sizes.values()), list[str]()
    for job in _in_order(jobs.values(), sizes, now - max_age_s):
        if (job.ended_at or 0.0) > now - max_age_s and total <= max_bytes:
            break
        await store.delete(job.id)
        await objects.delete_all(f"jobs/{job.id}")
        total -= sizes.get(job.id, 0)
        deleted.append(job.id)
    if deleted:
        log.info("jobs deleted", jobs=len(deleted), bytes_left=total)
        await FeedbackStore(store.backend.collection("feedback")).forget_jobs(deleted)
    return len(deleted)


def _in_order(jobs: Iterable[_Job], sizes: Mapping[str, int], expired: float) -> Iterator[_Job]:
    """Yields the ended jobs in the order of their deletion: those that have expired, then those
    that make room."""
    stored: list[tuple[_Job | None, str | None, int]] = []
    for job in sorted(jobs, key=lambda job: job.ended_at or 0.0):
        if job.ended_at is not None and job.ended_at <= expired:
            yield job
            continue
        stored.append((None if job.ended_at is None else job, job.owner, sizes.get(job.id, 0)))
    yield from to_make_room(stored)


async def _delete_cache_entries(objects: Objects, before: float) -> None:
    """Deletes cache entries that are older than any job they could refer to."""
    async for key, _, at in objects.walk("cache"):
        if at < before:
            await objects.delete(key)


async def _stored(objects: Objects) -> tuple[dict[str, int], dict[str, float]]:
    """Returns the size in bytes and the time of the last modification, by job."""
    sizes: dict[str, int] = defaultdict(int)
    modified: dict[str, float] = defaultdict(float)
    async for key, size, at in objects.walk("jobs"):
        job_id = key.split("/")[1]
        sizes[job_id] += size
        modified[job_id] = max(modified[job_id], at)
    return sizes, modified


async def _exists(store: JobStore, job_id: str) -> bool:
    """Returns whether the job exists, readable or not."""
    try:
        return await store.get(job_id) is not None
    except Internal:
        return True


async def _all(store: JobStore) -> AsyncIterator[_Job]:
    cursor = None
    while True:
        page, cursor = await store.list(limit=_PAGE, cursor=cursor)
        for job in page:
            ended_at = (job.finished_at or 0.0) if job.state in ENDED else None
            yield _Job(job.id, job.owner, ended_at)
        if cursor is None:
            return
