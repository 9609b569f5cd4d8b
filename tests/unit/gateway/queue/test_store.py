"""The job store in SQLite, in Redis and in a cluster of Redis: the same tests for all."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from deepfake_serving.contracts.jobs import Job, Progress, Source, WebhookDelivery
from deepfake_serving.contracts.problems import (
    Conflict,
    InvalidCursor,
    NotFound,
    Overloaded,
    UndecodableMedia,
    UpstreamUnavailable,
)
from deepfake_serving.gateway.queue.backend import Query
from deepfake_serving.gateway.queue.records import Claim, QueueName
from deepfake_serving.gateway.queue.redis.backend import open_redis
from deepfake_serving.gateway.queue.sqlite import open_sqlite
from deepfake_serving.gateway.queue.store import JobStore, open_store
from tests.support.redis_replicas import Cluster
from tests.unit.gateway.conftest import RedisServer

LEASE = 10.0


@pytest.fixture(scope="module")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), primaries=1)
    yield cluster
    cluster.close()


class Clock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "redis", "cluster"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> AsyncIterator[JobStore]:
    if request.param == "sqlite":
        opening = open_sqlite(str(tmp_path / "jobs.sqlite"))
    elif request.param == "redis":
        opening = open_redis(request.getfixturevalue("redis_server").url)  # type: ignore[assignment]
    else:
        cluster = request.getfixturevalue("redis_cluster")
        cluster.nodes[0].client.flushall()
        opening = open_redis(cluster.url, min_replicas=0)  # type: ignore[assignment]
    async with opening as backend:
        store = JobStore(backend, max_queued=5, max_attempts=3, clock=clock)
        async with store.watching():
            yield store


def job(
    name: str = "a",
    *,
    at: float = 1_000_000.0,
    owner: str | None = None,
    webhook: str | None = None,
) -> Job:
    return Job(name, "video", "queued", Source(f"{name}.mp4"), {}, at, owner=owner, webhook=webhook)


async def claimed(store: JobStore, queue: QueueName = "jobs") -> Claim:
    claim = await store.claim(LEASE, queue)
    assert claim is not None
    return claim


async def state(store: JobStore, job_id: str = "a") -> str:
    found = await store.get(job_id)
    assert found is not None
    return found.state


async def delivery(store: JobStore) -> WebhookDelivery | None:
    found = await store.get("a")
    assert found is not None
    return found.delivery


async def test_a_job_runs_once_from_end_to_end(store: JobStore) -> None:
    given = job(owner="me")
    assert await store.submit(given) == (given, True)
    claim = await claimed(store)
    assert (claim.job.state, claim.job.attempt, claim.deliver) == ("running", 1, False)
    assert await store.claim(LEASE) is None
    assert await store.heartbeat(claim, Progress("analyse", 5, 50.0), LEASE) == "ok"
    assert await store.finish(claim, "jobs/a/result", {"verdict": "real"})
    assert not await store.finish(claim, "jobs/a/other", {})
    completed = await store.get("a")
    assert completed is not None
    assert (completed.state, completed.result, completed.summary) == (
        "succeeded", "jobs/a/result", {"verdict": "real"},
    )  # fmt: skip
    assert completed.progress == Progress("done", 5, 100.0, 0.0)
    assert await store.claim(LEASE) is None


async def test_the_oldest_job_is_first(store: JobStore, clock: Clock) -> None:
    for n, name in enumerate("cab"):
        await store.submit(job(name, at=clock.now - 10 + n))
    assert [(await claimed(store)).job.id for _ in range(3)] == ["c", "a", "b"]


async def test_a_job_with_an_expired_lease_is_claimed_again_and_its_old_worker_is_fenced(
    store: JobStore, clock: Clock
) -> None:
    await store.submit(job())
    lost = await claimed(store)
    clock.now += LEASE - 1
    assert await store.heartbeat(lost, Progress(), LEASE) == "ok"
    clock.now += LEASE - 1
    assert await store.claim(LEASE) is None, "the lease was renewed"
    clock.now += 2
    held = await claimed(store)
    assert (held.job.attempt, held.job.started_at) == (2, lost.job.started_at)
    assert await store.heartbeat(lost, Progress(), LEASE) == "lost"
    assert not await store.finish(lost, "late", {})
    assert not await store.fail(lost, UndecodableMedia("late"), final=True)
    assert not await store.release(lost)
    assert await store.finish(held, "jobs/a/result", {})
    assert await state(store) == "succeeded"


async def test_a_job_that_loses_every_worker_is_dead(store: JobStore, clock: Clock) -> None:
    await store.submit(job())
    for _ in range(3):
        await claimed(store)
        clock.now += LEASE + 1
    assert await store.claim(LEASE) is None
    dead = await store.get("a")
    assert dead is not None
    assert dead.state == "dead"
    assert dead.problem is not None
    assert "3 times" in dead.problem["detail"]


async def test_a_failure_is_retried_with_backoff_and_finally_dead(
    store: JobStore, clock: Clock
) -> None:
    await store.submit(job())
    for attempt in (1, 2, 3):
        claim = await claimed(store)
        assert claim.job.attempt == attempt
        assert await store.fail(claim, UpstreamUnavailable("away"), final=False)
        assert await store.claim(LEASE) is None, "not at once"
        clock.now += 300
    dead = await store.get("a")
    assert dead is not None
    assert dead.state == "dead"
    assert dead.problem is not None
    assert dead.problem["detail"] == "away"


async def test_a_job_outlasts_an_outage_of_minutes(store: JobStore, clock: Clock) -> None:
    store.max_attempts = 5
    await store.submit(job())
    end = clock.now + 150
    while clock.now < end:
        if (claim := await store.claim(LEASE)) is not None:
            await store.fail(claim, UpstreamUnavailable("away"), final=False)
        clock.now += 1
    assert await state(store) == "queued"


async def test_a_final_failure_is_not_retried(store: JobStore, clock: Clock) -> None:
    await store.submit(job())
    await store.fail(await claimed(store), UndecodableMedia("broken"), final=True)
    clock.now += 1e6
    assert await store.claim(LEASE) is None
    assert await state(store) == "failed"


async def test_a_released_job_can_be_claimed_at_once_without_losing_an_attempt(
    store: JobStore,
) -> None:
    await store.submit(job())
    assert await store.release(await claimed(store))
    assert (await claimed(store)).job.attempt == 1


async def test_a_queued_job_is_cancelled_at_once(store: JobStore) -> None:
    await store.submit(job())
    assert (await store.cancel("a")).state == "cancelled"
    assert await store.claim(LEASE) is None
    assert (await store.cancel("a")).state == "cancelled"


async def test_a_running_job_is_cancelled_by_its_worker_and_never_succeeds(
    store: JobStore,
) -> None:
    await store.submit(job())
    claim = await claimed(store)
    assert (await store.cancel("a")).state == "running"
    assert await store.heartbeat(claim, Progress(), LEASE) == "cancelled"
    assert await store.finish(claim, "jobs/a/result", {})
    cancelled = await store.get("a")
    assert cancelled is not None
    assert (cancelled.state, cancelled.result) == ("cancelled", None)


async def test_a_job_that_is_cancelled_while_its_worker_is_lost_ends(
    store: JobStore, clock: Clock
) -> None:
    await store.submit(job())
    await claimed(store)
    await store.cancel("a")
    clock.now += LEASE + 1
    assert await store.claim(LEASE) is None
    assert await state(store) == "cancelled"


async def test_an_unknown_job_cannot_be_cancelled(store: JobStore) -> None:
    with pytest.raises(NotFound):
        await store.cancel("nope")


async def test_the_same_key_submits_one_job(store: JobStore) -> None:
    first, created = await store.submit(job("a"), ("me:key", "print"))
    again, created_again = await store.submit(job("b"), ("me:key", "print"))
    assert (first, created, created_again) == (again, True, False)
    with pytest.raises(Conflict):
        await store.submit(job("c"), ("me:key", "other"))
    _, other = await store.submit(job("d"), ("you:key", "other"))
    assert other, "keys are separate for each owner"


async def test_jobs_above_the_queue_limit_are_refused(store: JobStore) -> None:
    for n in range(5):
        await store.submit(job(str(n)))
    with pytest.raises(Overloaded) as caught:
        await store.submit(job("6"))
    assert caught.value.retry_after_s
    await claimed(store)
    await store.submit(job("6"))


async def test_pages_contain_every_job_once_newest_first(store: JobStore, clock: Clock) -> None:
    store.max_queued = 100
    for n in range(23):
        await store.submit(job(f"job{n:02}", at=clock.now + n // 2, owner="ab"[n % 2]))
    seen: list[str] = []
    cursor = None
    while True:
        page, cursor = await store.list(limit=5, cursor=cursor)
        seen += [each.id for each in page]
        if cursor is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 23
    owned, _ = await store.list(Query(owner="a"), limit=50)
    assert len(owned) == 12
    assert [j.id for j in (await store.list(Query(text="B07")))[0]] == ["job07"]
    await claimed(store)
    assert len((await store.list(Query(state="running")))[0]) == 1
    assert len((await store.list(Query(state="queued"), limit=50))[0]) == 22
    assert (await store.list(Query(kind="other")))[0] == []
    for cursor in ("nonsense", "nan:a", "inf:a", "1e400:a", "1:", ":a", ""):
        with pytest.raises(InvalidCursor):
            await store.list(cursor=cursor)


async def test_lists_are_filtered_by_time_and_result(store: JobStore, clock: Clock) -> None:
    results = {"a": ("real", 0.1), "b": ("fake", 0.9), "c": ("no_face", None)}
    for n, (name, (verdict, probability)) in enumerate(results.items()):
        await store.submit(job(name, at=clock.now + n))
        summary = {"verdict": verdict, "fake_probability": probability}
        clock.now += 10
        assert await store.finish(await claimed(store), "result", summary)
        clock.now -= 10
    await store.submit(job("d", at=clock.now + 3))

    async def names(**filters: Any) -> str:
        return "".join(each.id for each in (await store.list(Query(**filters)))[0])

    assert await names(created_from=clock.now + 1, created_before=clock.now + 3) == "cb"
    assert await names(created_before=clock.now + 1) == "a"
    assert await names(verdict="fake") == "b"
    assert await names(min_probability=0.5) == "b"
    assert await names(max_probability=0.5) == "a"
    assert await names(min_probability=0.1, max_probability=0.9) == "ba"
    assert await names(verdict="no_face", min_probability=0.0) == ""


async def test_counts_and_queue_age_are_updated(store: JobStore, clock: Clock) -> None:
    assert await store.oldest_queued_age() == 0
    await store.submit(job("a"))
    await store.submit(job("b", at=clock.now + 1))
    clock.now += 30
    assert await store.oldest_queued_age() == 30
    await claimed(store)
    counts = await store.counts()
    assert (counts["queued"], counts["running"]) == (1, 1)
    assert await store.oldest_queued_age() == 29
    await store.delete("b")
    assert (await store.counts()).get("queued", 0) == 0
    assert await store.get("b") is None


async def test_a_webhook_is_due_until_it_is_delivered(store: JobStore, clock: Clock) -> None:
    await store.submit(job(webhook="https://example.org"))
    await store.finish(await claimed(store), "jobs/a/result", {})
    assert await delivery(store) == WebhookDelivery("pending", 0, None)
    assert await store.claim(LEASE) is None
    first = await claimed(store, "webhooks")
    assert (first.deliver, first.job.state) == (True, "succeeded")
    assert await store.claim(LEASE, "webhooks") is None
    await store.delivered(first, success=False)
    assert await delivery(store) == WebhookDelivery("pending", 1, clock.now)
    clock.now += 600
    lost = await claimed(store, "webhooks")
    clock.now += LEASE + 1
    again = await claimed(store, "webhooks")
    assert not await store.delivered(lost, success=True)
    assert await store.delivered(again, success=True)
    assert await delivery(store) == WebhookDelivery("delivered", 3, clock.now)
    clock.now += 1e6
    assert await store.claim(LEASE, "webhooks") is None
    assert await state(store) == "succeeded"


async def test_watchers_are_notified_of_changes(store: JobStore) -> None:
    first, _ = await store.submit(job())
    assert await store.changed(first, timeout_s=0.6) is None
    watching = [asyncio.create_task(store.changed(first, timeout_s=60)) for _ in range(50)]
    await asyncio.sleep(0.3)
    await claimed(store)
    changed = await asyncio.gather(*watching)
    assert {each.state for each in changed if each is not None} == {"running"}
    last = changed[0]
    assert last is not None
    watching = [asyncio.create_task(store.changed(last, timeout_s=60))]
    await asyncio.sleep(0.3)
    await store.delete("a")
    with pytest.raises(NotFound):
        await watching[0]


async def test_many_workers_run_each_job_once(store: JobStore) -> None:
    store.max_queued = 1000
    for n in range(60):
        await store.submit(job(str(n)))
    completed: list[str] = []

    async def work() -> None:
        while (claim := await store.claim(LEASE)) is not None:
            await asyncio.sleep(0)
            if await store.finish(claim, "r", {}):
                completed.append(claim.job.id)

    await asyncio.gather(*(work() for _ in range(6)))
    while (await store.counts()).get("queued", 0):
        await work()
    assert sorted(completed, key=int) == [str(n) for n in range(60)]


@pytest.mark.parametrize("seed", range(4))
async def test_a_job_always_ends_once_and_is_never_lost(
    store: JobStore, clock: Clock, seed: int
) -> None:
    """Random walks of submissions, claims, heartbeats, ends, lost workers and cancellations."""
    chance = random.Random(seed)
    store.max_queued = 1000
    claims: list[Claim] = []
    ended: dict[str, str] = {}
    for step in range(150):
        clock.now += chance.choice([0, 1, LEASE + 1, 100])
        match chance.choice("sscccbffgxr"):
            case "s":
                await store.submit(job(str(step), at=clock.now))
            case "c":
                claim = await store.claim(LEASE)
                claims += [claim] if claim else []
            case "b" if claims:
                await store.heartbeat(chance.choice(claims), Progress("x", step), LEASE)
            case "f" if claims:
                await store.finish(chance.choice(claims), "r", {})
            case "g" if claims:
                final = chance.random() < 0.5
                await store.fail(chance.choice(claims), UpstreamUnavailable("x"), final=final)
            case "r" if claims:
                await store.release(chance.choice(claims))
            case "x":
                jobs, _ = await store.list(limit=500)
                if jobs:
                    await store.cancel(chance.choice(jobs).id)
        for each in (await store.list(limit=500))[0]:
            if each.finished_at is not None:
                assert ended.setdefault(each.id, each.state) == each.state
            else:
                assert each.id not in ended
    for _ in range(1000):
        clock.now += 400
        claim = await store.claim(LEASE)
        if claim is not None:
            await store.finish(claim, "r", {})
        counts = await store.counts()
        if not counts.get("queued") and not counts.get("running"):
            break
    assert all(each.finished_at for each in (await store.list(limit=500))[0])


async def test_a_restart_of_redis_loses_no_accepted_job(redis_server: RedisServer) -> None:
    server = redis_server
    accepted: set[str] = set()
    completed: list[str] = []
    async with open_store(server.url, max_queued=10_000, max_attempts=5) as store:

        async def submit(worker: int) -> None:
            for n in range(60):
                try:
                    given = job(f"{worker}-{n}", at=time.time())
                    await store.submit(given)
                    accepted.add(given.id)
                except UpstreamUnavailable:
                    await asyncio.sleep(0.05)

        async def work() -> None:
            while not (len(accepted) > 200 and accepted <= set(completed)):
                try:
                    claim = await store.claim(2.0)
                    if claim is None:
                        await asyncio.sleep(0.05)
                    elif await store.finish(claim, "r", {}):
                        completed.append(claim.job.id)
                except UpstreamUnavailable:
                    await asyncio.sleep(0.05)
                except asyncio.CancelledError:
                    return

        async def restart() -> None:
            for _ in range(3):
                await asyncio.sleep(0.15)
                server.kill()
                await asyncio.sleep(0.1)
                await asyncio.to_thread(server.start)

        try:
            async with asyncio.timeout(240):
                await asyncio.gather(restart(), *(submit(n) for n in range(5)))
                workers = [asyncio.create_task(work()) for _ in range(2)]
                while not accepted <= {j.id for j in await _succeeded(store)}:
                    await asyncio.sleep(0.1)
        finally:
            for each in workers:
                each.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
    assert len(accepted) > 100
    assert len(completed) == len(set(completed)), "none is done twice"


async def _succeeded(store: JobStore) -> list[Job]:
    return (await store.list(Query(state="succeeded"), limit=10_000))[0]
