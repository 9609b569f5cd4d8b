"""Retention: what is deleted and what stays."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.gateway.jobs import retention
from deepfake_serving.gateway.jobs.retention import delete_expired
from deepfake_serving.gateway.queue.records import Record
from deepfake_serving.gateway.queue.sqlite import open_sqlite
from deepfake_serving.gateway.queue.store import JobStore
from deepfake_serving.gateway.storage.objects import Objects

FOREVER, ENDLESS = 1e12, 10**12


class Storage:
    """A job store and an object store, with one clock."""

    def __init__(self, store: JobStore, objects: Objects) -> None:
        self.store, self.objects = store, objects

    async def ended(self, job_id: str, at: float, size: int = 10, owner: str | None = None) -> None:
        self.store.clock = lambda: at
        await self.waiting(job_id, at, size, owner)
        claim = await self.store.claim(10)
        assert claim is not None
        await self.store.finish(claim, "r", {})

    async def waiting(
        self, job_id: str, at: float, size: int = 10, owner: str | None = None
    ) -> None:
        await self.objects.put(f"jobs/{job_id}/media", bytes(size))
        await self.store.submit(Job(job_id, "video", "queued", Source("a"), {}, at, owner=owner))

    async def left(self) -> set[str]:
        return {job.id for job in (await self.store.list())[0]}

    async def kept(self) -> set[str]:
        return {key.split("/")[1] for key, _, _ in await self.objects.list("jobs")}


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_sqlite(str(tmp_path / "jobs.sqlite")) as backend:
        yield Storage(JobStore(backend), Objects.open(f"file://{tmp_path}/objects"))


async def test_old_jobs_are_deleted_with_their_objects(storage: Storage) -> None:
    await storage.ended("old", at=1000)
    await storage.ended("young", at=2000)
    await storage.waiting("waits", at=500)
    storage.store.clock = lambda: 2500.0
    assert (
        await delete_expired(storage.store, storage.objects, max_age_s=1000, max_bytes=ENDLESS) == 1
    )
    assert await storage.left() == await storage.kept() == {"young", "waits"}


async def test_the_first_to_end_are_deleted_above_the_size_limit(storage: Storage) -> None:
    for n, name in enumerate("abcd"):
        await storage.ended(name, at=1000 + n, size=100)
    assert await delete_expired(storage.store, storage.objects, FOREVER, max_bytes=250) == 2
    assert await storage.left() == await storage.kept() == {"c", "d"}


async def test_the_objects_of_no_job_do_not_count_towards_the_limit(storage: Storage) -> None:
    await storage.ended("a", at=1000, size=100)
    await storage.objects.put("jobs/orphan/media", bytes(1000))
    storage.store.clock = lambda: FOREVER
    assert await delete_expired(storage.store, storage.objects, FOREVER, max_bytes=100) == 0
    assert await storage.left() == await storage.kept() == {"a"}


async def test_running_jobs_stay_whatever_their_size(storage: Storage) -> None:
    await storage.waiting("a", at=1000, size=1000)
    assert await delete_expired(storage.store, storage.objects, max_age_s=1, max_bytes=1) == 0
    assert await storage.left() == await storage.kept() == {"a"}


async def test_old_orphaned_objects_are_deleted(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storage.objects.put("jobs/orphan/media", b"x")
    await delete_expired(storage.store, storage.objects, FOREVER, ENDLESS)
    assert await storage.kept() == {"orphan"}
    monkeypatch.setattr(retention, "_ORPHAN_AGE_S", -1.0)
    await delete_expired(storage.store, storage.objects, FOREVER, ENDLESS)
    assert await storage.kept() == set()


async def test_no_key_displaces_the_jobs_of_another(storage: Storage) -> None:
    """The key with the most bytes makes room, also where the others' jobs are older."""
    await storage.ended("old", at=1000, size=100, owner="small")
    for n in range(4):
        await storage.ended(f"flood{n}", at=2000 + n, size=100, owner="large")
    await storage.ended("new", at=3000, size=50, owner="small")
    assert await delete_expired(storage.store, storage.objects, FOREVER, max_bytes=300) == 3
    assert await storage.left() == await storage.kept() == {"old", "new", "flood3"}


async def test_what_a_running_job_stores_counts_for_its_key(storage: Storage) -> None:
    await storage.ended("other", at=1000, size=100, owner="small")
    await storage.ended("own", at=2000, size=50, owner="large")
    await storage.waiting("runs", at=3000, size=100, owner="large")
    assert await delete_expired(storage.store, storage.objects, FOREVER, max_bytes=200) == 1
    assert await storage.left() == {"other", "runs"}


async def test_little_of_each_stored_job_is_in_memory(storage: Storage) -> None:
    """There may be very many, and a process keeps part of what was in use at a peak."""
    count, options, backend = 1000, {"long": "x" * 4000}, storage.store.backend
    for n in range(count):
        job = Job(f"{n:032x}", "video", "failed", Source("a"), options, float(n), finished_at=1.0)
        await backend.insert(Record(job, None), None, accept_new=True)
    tracemalloc.start()
    try:
        await delete_expired(storage.store, storage.objects, FOREVER, ENDLESS)
        assert tracemalloc.get_traced_memory()[1] < count * 5000
    finally:
        tracemalloc.stop()
