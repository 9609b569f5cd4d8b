"""Live sources in the job store: a queue of their own, and no limit on useful attempts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from deepfake_serving.contracts.jobs import IMAGE, LIVE, Job, Progress, Source, State
from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.jobs.loop import Outcome, Report, Worker
from deepfake_serving.gateway.queue.records import QueueName
from deepfake_serving.gateway.queue.store import JobStore, open_store

MAX_ATTEMPTS = 3


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[JobStore]:
    async with open_store(store_url, max_queued=100, max_attempts=MAX_ATTEMPTS) as opened:
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


async def test_each_queue_has_its_own_jobs(store: JobStore) -> None:
    for number in range(20):  # more than a worker tries to claim
        await submit(store, f"live{number}")
    await submit(store, "video", "video")
    claim = await store.claim(10)
    assert claim is not None
    assert claim.job.id == "video"
    assert await store.claim(10) is None
    live = await store.claim(10, "live")
    assert live is not None
    assert live.job.id == "live0"
    await submit(store, "image", IMAGE)
    assert await store.claim(10) is None
    image = await store.claim(10, "images")
    assert image is not None
    assert image.job.id == "image"
    assert (await store.counts())["queued"] == 19


async def test_the_webhook_of_a_live_job_waits_in_the_webhook_queue(store: JobStore) -> None:
    await submit(store, "a", webhook="https://x/")
    claim = await store.claim(10, "live")
    assert claim is not None
    await store.finish(claim, "result", {})
    assert await store.claim(10, "live") is None
    assert await store.claim(10) is None
    webhook = await store.claim(10, "webhooks")
    assert webhook is not None
    assert webhook.deliver
    await store.delivered(webhook, True)
    assert await store.claim(10, "webhooks") is None


async def test_a_deleted_job_is_in_no_queue(store: JobStore) -> None:
    await submit(store, "a")
    await store.cancel("a")
    await store.delete("a")
    assert await store.claim(10, "live") is None
    assert await store.claim(10) is None


async def test_attempts_that_add_a_window_are_not_counted(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten workers are killed, each after a window; then others before a window."""
    await submit(store, "a")
    now = store.clock()
    monkeypatch.setattr(store, "clock", lambda: now)
    for turn in range(10):
        claim = await store.claim(10, "live")
        assert claim is not None
        assert claim.job.progress == Progress("starting", windows=turn or None)
        resumed = Progress("follow", windows=turn)
        await store.heartbeat(claim, resumed, 10)
        await store.heartbeat(claim, replace(resumed, windows=turn + 1), 10)
        now += 11
    for attempt in range(2, MAX_ATTEMPTS + 1):
        claim = await store.claim(10, "live")
        assert claim is not None
        assert claim.job.attempt == attempt
        await store.heartbeat(claim, Progress("follow", windows=10), 10)
        now += 11
    await store.claim(10, "live")
    assert await state(store, "a") == "dead"


async def test_a_failed_attempt_keeps_the_count_of_windows(store: JobStore) -> None:
    await submit(store, "a")
    claim = await store.claim(10, "live")
    assert claim is not None
    await store.heartbeat(claim, Progress("follow", windows=3), 10)
    await store.fail(claim, UpstreamUnavailable("away"), final=False)
    job = await store.get("a")
    assert job is not None
    assert (job.state, job.progress) == ("queued", Progress(windows=3))


# The worker --------------------------------------------------------------------------------------


class Endless:
    """A handler that never ends, and records its jobs."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.max_running = 0

    async def __call__(self, job: Job, _: Path, report: Report) -> Outcome:
        self.running.add(job.id)
        self.max_running = max(self.max_running, len(self.running))
        try:
            await asyncio.Event().wait()
        finally:
            self.running.discard(job.id)
        raise AssertionError


async def quick(job: Job, _: Path, report: Report) -> Outcome:
    return Outcome("result", {})


async def until(store: JobStore, job_id: str, expected: State) -> None:
    async with asyncio.timeout(60):
        while await state(store, job_id) != expected:
            await asyncio.sleep(0.02)


async def test_live_sources_take_no_concurrency_from_other_jobs(store: JobStore) -> None:
    live, stop = Endless(), asyncio.Event()
    concurrency: dict[QueueName, int] = {"jobs": 1, "live": 2}
    worker = Worker(
        store, {LIVE: live, "video": quick}, lease_s=5, concurrency=concurrency, drain_s=30
    )
    for number in range(4):
        await submit(store, f"live{number}")
    running = asyncio.create_task(worker.run(stop))
    await until(store, "live1", "running")
    await submit(store, "video", "video")
    await until(store, "video", "succeeded")
    assert (live.running, live.max_running) == ({"live0", "live1"}, 2)
    await store.cancel("live0")
    await until(store, "live0", "cancelled")
    await until(store, "live2", "running")
    stop.set()
    async with asyncio.timeout(20):  # not the drain of thirty seconds
        await running
    assert live.running == set()
    job = await store.get("live1")
    assert job is not None
    assert (job.state, job.attempt) == ("queued", 0), "released, without counting the attempt"
