"""What is forgotten, and what is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.gateway.jobs import retention
from deepfake_serving.gateway.jobs.retention import clear_up
from deepfake_serving.gateway.jobs.sqlite import open_sqlite
from deepfake_serving.gateway.jobs.store import JobStore
from deepfake_serving.gateway.storage.objects import Objects

FOREVER, ENDLESS = 1e12, 10**12


class Place:
    """A store and objects, and a clock for both."""

    def __init__(self, store: JobStore, objects: Objects) -> None:
        self.store, self.objects = store, objects

    async def ended(self, job_id: str, at: float, size: int = 10) -> None:
        self.store.clock = lambda: at
        await self.waiting(job_id, at, size)
        claim = await self.store.claim(10)
        assert claim is not None
        await self.store.finish(claim, "r", {})

    async def waiting(self, job_id: str, at: float, size: int = 10) -> None:
        await self.objects.put(f"jobs/{job_id}/media", bytes(size))
        await self.store.submit(Job(job_id, "video", "queued", Source("a"), {}, at))

    async def left(self) -> set[str]:
        return {job.id for job in (await self.store.list())[0]}

    async def kept(self) -> set[str]:
        return {key.split("/")[1] for key, _, _ in await self.objects.list("jobs")}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with open_sqlite(str(tmp_path / "jobs.sqlite")) as backend:
        yield Place(JobStore(backend), Objects.open(f"file://{tmp_path}/objects"))


async def test_old_jobs_are_forgotten_with_all_that_they_kept(place: Place) -> None:
    await place.ended("old", at=1000)
    await place.ended("young", at=2000)
    await place.waiting("waits", at=500)
    place.store.clock = lambda: 2500.0
    assert await clear_up(place.store, place.objects, oldest_s=1000, most_bytes=ENDLESS) == 1
    assert await place.left() == await place.kept() == {"young", "waits"}


async def test_the_first_to_end_go_where_all_take_too_much(place: Place) -> None:
    for n, name in enumerate("abcd"):
        await place.ended(name, at=1000 + n, size=100)
    assert await clear_up(place.store, place.objects, FOREVER, most_bytes=250) == 2
    assert await place.left() == await place.kept() == {"c", "d"}


async def test_jobs_that_have_not_ended_stay_whatever_they_take(place: Place) -> None:
    await place.waiting("a", at=1000, size=1000)
    assert await clear_up(place.store, place.objects, oldest_s=1, most_bytes=1) == 0
    assert await place.left() == await place.kept() == {"a"}


async def test_objects_of_no_job_are_cleared_but_not_while_they_may_be_coming(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.objects.put("jobs/orphan/media", b"x")
    await clear_up(place.store, place.objects, FOREVER, ENDLESS)
    assert await place.kept() == {"orphan"}
    monkeypatch.setattr(retention, "_ORPHAN_S", -1.0)
    await clear_up(place.store, place.objects, FOREVER, ENDLESS)
    assert await place.kept() == set()
