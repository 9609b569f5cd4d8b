"""Live sources in the job store: apart from other jobs, and never worn out by a long life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from deepfake_serving.contracts.jobs import LIVE, Job, Progress, Source, State
from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.jobs.loop import Outcome, Report, Worker
from deepfake_serving.gateway.jobs.records import Lane
from deepfake_serving.gateway.jobs.store import JobStore, open_store

MOST = 3


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[JobStore]:
    async with open_store(store_url, max_queued=100, max_attempts=MOST) as opened:
        yield opened


async def submit(
    store: JobStore, job_id: str, kind: str = LIVE, webhook: str | None = None
) -> None:
    job = Job(job_id, kind, "queued", Source("a"), {}, store.clock(), webhook=webhook)
    await store.submit(job)


async def state(store: JobStore, job_id: str) -> State:
    job = await store.get(job_id)
    assert job is not None
    return job.state


async def test_each_lane_has_its_own_jobs(store: JobStore) -> None:
    for number in range(20):  # more than a worker looks at
        await submit(store, f"live{number}")
    await submit(store, "video", "video")
    claim = await store.claim(10)
    assert claim is not None
    assert claim.job.id == "video"
    assert await store.claim(10) is None
    live = await store.claim(10, "live")
    assert live is not None
    assert live.job.id == "live0"
    assert (await store.counts())["queued"] == 19


async def test_an_ended_one_s_webhook_waits_with_all_webhooks(store: JobStore) -> None:
    await submit(store, "a", webhook="https://x/")
    claim = await store.claim(10, "live")
    assert claim is not None
    await store.finish(claim, "result", {})
    assert await store.claim(10, "live") is None
    assert await store.claim(10) is None
    told = await store.claim(10, "webhooks")
    assert told is not None
    assert told.deliver
    await store.delivered(told, True)
    assert await store.claim(10, "webhooks") is None


async def test_a_deleted_one_is_nowhere(store: JobStore) -> None:
    await submit(store, "a")
    await store.cancel("a")
    await store.delete("a")
    assert await store.claim(10, "live") is None
    assert await store.claim(10) is None


async def test_attempts_that_bring_something_forth_don_t_count(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten workers that are killed, each after a window; then those that are killed before one."""
    await submit(store, "a")
    now = store.clock()
    monkeypatch.setattr(store, "clock", lambda: now)
    for turn in range(10):
        claim = await store.claim(10, "live")
        assert claim is not None
        assert claim.job.progress == Progress("starting", windows=turn or None)
        resumed = Progress("follow", windows=turn)
        await store.beat(claim, resumed, 10)
        await store.beat(claim, replace(resumed, windows=turn + 1), 10)
        now += 11
    for attempt in range(2, MOST + 1):
        claim = await store.claim(10, "live")
        assert claim is not None
        assert claim.job.attempt == attempt
        await store.beat(claim, Progress("follow", windows=10), 10)
        now += 11
    await store.claim(10, "live")
    assert await state(store, "a") == "dead"


async def test_a_failed_attempt_keeps_the_count_of_windows(store: JobStore) -> None:
    await submit(store, "a")
    claim = await store.claim(10, "live")
    assert claim is not None
    await store.beat(claim, Progress("follow", windows=3), 10)
    await store.fail(claim, UpstreamUnavailable("away"), final=False)
    job = await store.get("a")
    assert job is not None
    assert (job.state, job.progress) == ("queued", Progress(windows=3))


# The worker --------------------------------------------------------------------------------------


class Endless:
    """A handler that never ends, and notes what it is given."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.most = 0

    async def __call__(self, job: Job, _: Path, report: Report) -> Outcome:
        self.running.add(job.id)
        self.most = max(self.most, len(self.running))
        try:
            await asyncio.Event().wait()
        finally:
            self.running.discard(job.id)
        raise AssertionError


async def quick(job: Job, _: Path, report: Report) -> Outcome:
    return Outcome("result", {})


async def until(store: JobStore, job_id: str, wanted: State) -> None:
    async with asyncio.timeout(10):
        while await state(store, job_id) != wanted:
            await asyncio.sleep(0.02)


async def test_live_sources_leave_the_places_of_other_jobs_alone(store: JobStore) -> None:
    live, stop = Endless(), asyncio.Event()
    places: dict[Lane, int] = {"jobs": 1, "live": 2}
    worker = Worker(store, {LIVE: live, "video": quick}, lease_s=5, places=places, drain_s=30)
    for number in range(4):
        await submit(store, f"live{number}")
    running = asyncio.create_task(worker.run(stop))
    await until(store, "live1", "running")
    await submit(store, "video", "video")
    await until(store, "video", "succeeded")
    assert (live.running, live.most) == ({"live0", "live1"}, 2)
    await store.cancel("live0")
    await until(store, "live0", "cancelled")
    await until(store, "live2", "running")
    stop.set()
    async with asyncio.timeout(5):  # not the thirty seconds that a video would get
        await running
    assert live.running == set()
    job = await store.get("live1")
    assert job is not None
    assert (job.state, job.attempt) == ("queued", 0), "given back, and it counts for nothing"
