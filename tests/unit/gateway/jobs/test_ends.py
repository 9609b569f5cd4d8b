"""Ends of cancelled jobs, of webhook deliveries and of cache entries."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from deepfake_serving.contracts.jobs import Job, Progress, Source, WebhookDelivery
from deepfake_serving.gateway.jobs.loop import Outcome, Worker
from deepfake_serving.gateway.jobs.retention import delete_expired
from deepfake_serving.gateway.queue.records import QueueName
from deepfake_serving.gateway.queue.store import JobStore, open_store
from deepfake_serving.gateway.storage.objects import Objects

LEASE = 10.0
DELIVERIES = 12


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[JobStore]:
    async with open_store(store_url, max_queued=100, max_attempts=3) as opened:
        yield opened


async def submitted(store: JobStore, job_id: str = "a", webhook: str | None = None) -> None:
    source = Source("a.mp4")
    await store.submit(
        Job(job_id, "video", "queued", source, {}, created_at=store.clock(), webhook=webhook)
    )


async def test_a_cancelled_job_that_is_released_ends(store: JobStore) -> None:
    await submitted(store)
    claim = await store.claim(LEASE)
    assert claim is not None
    await store.cancel("a")
    assert await store.release(claim)
    job = await store.get("a")
    assert job is not None
    assert job.state == "cancelled"


async def test_a_cancelled_job_whose_worker_is_lost_ends_without_another(store: JobStore) -> None:
    now = 1_000_000.0
    store.clock = lambda: now  # type: ignore[misc]
    for name in ("lost", "held"):
        await submitted(store, name)
        assert await store.claim(LEASE) is not None
    await store.cancel("lost")
    await store.recover_abandoned(LEASE)
    job = await store.get("lost")
    assert job is not None
    assert job.state == "running", "its worker has time left to end it"
    now += LEASE + 1
    await store.recover_abandoned(LEASE)
    states = {name: await store.get(name) for name in ("lost", "held")}
    assert {name: job and job.state for name, job in states.items()} == {
        "lost": "cancelled",
        "held": "running",
    }, "a job that was not cancelled is left for another worker"
    assert (await store.counts())["cancelled"] == 1


async def test_a_job_of_a_lost_worker_comes_before_the_backlog_and_says_so(
    store: JobStore,
) -> None:
    now = 1_000_000.0
    store.clock = lambda: now  # type: ignore[misc]
    await submitted(store, "lost")
    claim = await store.claim(LEASE)
    assert claim is not None
    for number in range(3):
        await submitted(store, f"backlog-{number}")
    now += LEASE + 1
    await store.recover_abandoned(LEASE)
    job = await store.get("lost")
    assert job is not None
    assert job.state == "running", "its worker may be late only"
    now += LEASE
    await store.recover_abandoned(LEASE)
    job = await store.get("lost")
    assert job is not None
    assert job.problem is not None
    assert (job.state, job.attempt) == ("queued", 1)
    assert "the worker was lost" in job.problem["detail"]
    assert await store.heartbeat(claim, Progress("decode"), LEASE) == "lost"
    again = await store.claim(LEASE)
    assert again is not None
    assert (again.job.id, again.job.attempt) == ("lost", 2)


async def test_a_webhook_that_kills_every_worker_is_abandoned(store: JobStore) -> None:
    await submitted(store, webhook="https://example.org")
    claim = await store.claim(LEASE)
    assert claim is not None
    await store.finish(claim, "r", {})
    delivered = 0
    for n in range(3 * DELIVERIES):
        later = time.time() + n * (LEASE + 1)
        store.clock = lambda later=later: later  # type: ignore[misc]
        claim = await store.claim(LEASE, "webhooks")
        delivered += claim is not None and claim.deliver
    assert delivered == DELIVERIES
    (job,), _ = await store.list()
    assert job.delivery == WebhookDelivery("failed", DELIVERIES)


async def test_an_unexpected_error_in_a_delivery_does_not_end_the_worker(store: JobStore) -> None:
    done = asyncio.Event()

    async def work(*_: object) -> Outcome:
        return Outcome("r", {})

    async def deliver(_: Job) -> bool:
        raise ValueError("a defect")

    def on_end(job: Job, _: str) -> None:
        if job.id == "b":
            done.set()

    await submitted(store, "a", webhook="https://example.org")
    concurrency: dict[QueueName, int] = {"jobs": 1, "webhooks": 1}
    worker = Worker(
        store,
        {"video": work},
        lease_s=LEASE,
        concurrency=concurrency,
        deliver=deliver,
        on_end=on_end,
        drain_s=0,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(60):
            while not any(line["log_level"] == "error" for line in logs):
                await asyncio.sleep(0.02)
            await submitted(store, "b")
            await done.wait()
    stop.set()
    await running


async def test_a_slow_webhook_receiver_blocks_no_job(store: JobStore) -> None:
    delivering, stop = asyncio.Event(), asyncio.Event()

    async def work(*_: object) -> Outcome:
        return Outcome("r", {})

    async def deliver(_: Job) -> bool:
        delivering.set()
        await asyncio.Event().wait()
        return True

    await submitted(store, "slow", webhook="https://example.org")
    concurrency: dict[QueueName, int] = {"jobs": 1, "webhooks": 1}
    worker = Worker(
        store, {"video": work}, lease_s=LEASE, concurrency=concurrency, deliver=deliver, drain_s=0
    )
    running = asyncio.create_task(worker.run(stop))
    async with asyncio.timeout(60):
        await delivering.wait()
        await submitted(store, "next")
        while (await store.counts()).get("succeeded", 0) < 2:
            await asyncio.sleep(0.02)
    stop.set()
    await running


async def test_jobs_wait_while_they_cannot_run_and_lose_no_attempt(store: JobStore) -> None:
    """Without a model server their five attempts would be over within a minute."""
    asleep, stop, checked = True, asyncio.Event(), asyncio.Event()

    async def work(*_: object) -> Outcome:
        return Outcome("r", {})

    def can_run() -> bool:
        checked.set()
        return not asleep

    await submitted(store, "a")
    worker = Worker(store, {"video": work}, lease_s=LEASE, drain_s=0, can_run=can_run)
    running = asyncio.create_task(worker.run(stop))
    async with asyncio.timeout(60):
        for _ in range(2):
            checked.clear()
            await checked.wait()
        (job,), _ = await store.list()
        assert (job.state, job.attempt) == ("queued", 0)
        asleep = False
        while (await store.counts()).get("succeeded", 0) < 1:
            await asyncio.sleep(0.02)
    stop.set()
    await running
    (job,), _ = await store.list()
    assert job.attempt == 1


async def test_old_cache_entries_are_deleted(store: JobStore, tmp_path: Path) -> None:
    objects = Objects.open(f"file://{tmp_path}/objects")
    for name, age in (("old", 5000.0), ("young", 0.0)):
        await objects.put(f"cache/{name}", b"a job")
        then = time.time() - age
        os.utime(tmp_path / "objects" / "cache" / name, (then, then))
    await delete_expired(store, objects, max_age_s=3600, max_bytes=10**12)
    assert [key for key, _, _ in await objects.list("cache")] == ["cache/young"]
