"""Parts of long videos in the job stores: claimed after all jobs, and seen by no client."""

from __future__ import annotations

from typing import Any

import pytest

from deepfake_serving.contracts.jobs import Job, Progress, Source
from deepfake_serving.gateway.queue.backend import Query
from deepfake_serving.gateway.queue.redis.backend import RedisBackend
from deepfake_serving.gateway.queue.store import JobStore
from tests.unit.gateway.queue.test_store import (
    LEASE,
    Clock,
    clock,
    job,
    redis_cluster,
    store,
)

__all__ = ["clock", "redis_cluster", "store"]


def part(number: int, job_id: str = "a") -> Job:
    options: dict[str, Any] = {"job": job_id, "attempt": 1, "part": number}
    return Job(f"{job_id}-{number}", "part", "queued", Source("x"), options, 1_000_000.0, owner="k")


async def with_parts(store: JobStore) -> None:
    """Stores two jobs; the first is running, with three parts."""
    await store.submit(job("a", owner="k"))
    assert await store.claim(LEASE) is not None
    for number in (1, 2, 3):
        await store.submit_part(part(number))
    await store.submit(job("b", owner="k"))


async def test_parts_are_in_no_list_and_no_number(store: JobStore) -> None:
    await with_parts(store)
    found, _ = await store.list()
    assert {each.id for each in found} == {"a", "b"}
    assert (await store.list(Query(kind="part")))[0] == []
    counts = await store.counts()
    assert (counts["queued"], counts["running"]) == (1, 1)
    assert await store.backend.queued_of("k") == 1
    await store.delete("b")
    assert await store.oldest_queued_age() == 0.0


async def test_parts_are_counted_apart_and_wait_in_the_list_of_jobs(store: JobStore) -> None:
    """Workers are scaled by both."""
    await with_parts(store)
    assert await store.claim(LEASE, "parts") is not None
    counts = await store.backend.part_counts()
    assert (counts["queued"], counts["running"]) == (2, 1)
    if isinstance(store.backend, RedisBackend):
        assert await store.backend._client.llen("{deepfake}:queued") == 3


async def test_a_part_is_no_job_of_its_queue(store: JobStore) -> None:
    await with_parts(store)
    claim = await store.claim(LEASE)
    assert claim is not None
    assert claim.job.id == "b"
    assert await store.claim(LEASE) is None
    ids = [claim.job.id for _ in range(3) if (claim := await store.claim(LEASE, "parts"))]
    assert sorted(ids) == ["a-1", "a-2", "a-3"]
    assert await store.claim(LEASE, "parts") is None


async def test_a_part_is_taken_unless_a_worker_holds_it(store: JobStore, clock: Clock) -> None:
    await with_parts(store)
    claim = await store.claim(LEASE, "parts")
    assert claim is not None
    held = claim.job.id
    assert not await store.take_part(held)
    others = {"a-1", "a-2", "a-3"} - {held}
    assert all([await store.take_part(each) for each in others])
    assert not any([await store.take_part(each) for each in others])
    assert not await store.take_part("a-9")
    clock.now += LEASE / 2
    assert await store.heartbeat(claim, Progress("analyse"), LEASE) == "ok"
    clock.now += LEASE + 1
    assert await store.take_part(held)
    assert await store.heartbeat(claim, Progress("analyse"), LEASE) == "lost"
    assert await store.claim(LEASE, "parts") is None


async def test_a_part_of_a_lost_worker_is_claimed_by_another(store: JobStore, clock: Clock) -> None:
    await with_parts(store)
    lost = [await store.claim(LEASE, "parts") for _ in range(3)]
    clock.now += LEASE + 1
    await store.recover_abandoned(LEASE)
    again = [await store.claim(LEASE, "parts") for _ in range(3)]
    assert {c.job.attempt for c in again if c} == {2}
    assert lost[0] is not None
    assert not await store.finish(lost[0], "x", {})
    assert again[0] is not None
    assert await store.finish(again[0], "x", {})


@pytest.mark.parametrize("how", ["cancel", "delete"])
async def test_the_parts_of_a_job_go_with_it(how: str, store: JobStore) -> None:
    await with_parts(store)
    await store.submit_part(part(1, "aa"))
    held = await store.claim(LEASE, "parts")
    assert held is not None
    held_job = held.job.options["job"]
    await (store.cancel("a") if how == "cancel" else store.delete("a"))
    for number in (1, 2, 3):
        assert await store.get(f"a-{number}") is None
    assert await store.get("aa-1") is not None
    expected = "lost" if held_job == "a" else "ok"
    assert await store.heartbeat(held, Progress("analyse"), LEASE) == expected
    assert sum((await store.backend.part_counts()).values()) == 1
    assert await store.backend.parts("a") == []
