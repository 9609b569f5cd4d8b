"""What is forgotten: ended jobs that are old, or the oldest where all take too much; orphans."""

from __future__ import annotations

from collections import defaultdict

import structlog

from deepfake_serving.contracts.jobs import ENDED, Job
from deepfake_serving.contracts.problems import Internal
from deepfake_serving.gateway.jobs.store import JobStore
from deepfake_serving.gateway.storage.objects import Objects

log = structlog.get_logger(__name__)

_PAGE = 200
_ORPHAN_S = 3600.0


async def clear_up(store: JobStore, objects: Objects, oldest_s: float, most_bytes: int) -> int:
    """Deletes ended jobs with all that they kept; returns how many.

    Args:
        oldest_s: since their end.
        most_bytes: that all jobs may keep; past it those that ended first go.
    """
    now = store.clock()
    await _forget_cached(objects, now - oldest_s)
    sizes, touched = await _kept(objects)
    jobs = {job.id: job for job in await _all(store)}
    for job_id, at in touched.items():
        if job_id not in jobs and at < now - _ORPHAN_S and not await _is_kept(store, job_id):
            await objects.delete_all(f"jobs/{job_id}")
            sizes.pop(job_id)
    total, deleted = sum(sizes.values()), 0
    over = (job for job in jobs.values() if job.state in ENDED)
    for job in sorted(over, key=lambda job: job.finished_at or 0.0):
        if (job.finished_at or 0.0) > now - oldest_s and total <= most_bytes:
            break
        await store.delete(job.id)
        await objects.delete_all(f"jobs/{job.id}")
        total -= sizes.get(job.id, 0)
        deleted += 1
    if deleted:
        log.info("cleared up", jobs=deleted, bytes_left=total)
    return deleted


async def _forget_cached(objects: Objects, before: float) -> None:
    """References that are older than any job that they could lead to."""
    for key, _, at in await objects.list("cache"):
        if at < before:
            await objects.delete(key)


async def _kept(objects: Objects) -> tuple[dict[str, int], dict[str, float]]:
    """Bytes, and the time of the last change, by job."""
    sizes: dict[str, int] = defaultdict(int)
    touched: dict[str, float] = defaultdict(float)
    for key, size, at in await objects.list("jobs"):
        job_id = key.split("/")[1]
        sizes[job_id] += size
        touched[job_id] = max(touched[job_id], at)
    return sizes, touched


async def _is_kept(store: JobStore, job_id: str) -> bool:
    """Whether there is such a job, readable or not."""
    try:
        return await store.get(job_id) is not None
    except Internal:
        return True


async def _all(store: JobStore) -> list[Job]:
    jobs: list[Job] = []
    cursor = None
    while True:
        page, cursor = await store.list(limit=_PAGE, cursor=cursor)
        jobs += page
        if cursor is None:
            return jobs
