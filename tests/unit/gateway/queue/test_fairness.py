"""Keys take turns in the queues, and none takes all of their places."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.contracts.problems import Overloaded
from deepfake_serving.gateway.jobs.loop import Worker
from deepfake_serving.gateway.queue.fairness import WINDOW, in_turns
from deepfake_serving.gateway.queue.store import JobStore, open_store
from deepfake_serving.gateway.queue.turns import current_key

LEASE = 30.0


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[JobStore]:
    async with open_store(store_url, max_queued=100, max_attempts=3) as opened:
        yield opened


async def submit(
    store: JobStore, name: str, owner: str | None, share: int | None = None, **more: str
) -> None:
    given = Job(name, "video", "queued", Source("a"), {}, store.clock(), owner=owner, **more)  # type: ignore[arg-type]
    await store.submit(given, max_queued=share)


def test_each_owner_has_a_turn_before_one_has_two() -> None:
    due = [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", ""), ("c2", "")]
    assert in_turns(due, {"a": 3.0, "b": 2.0}) == ["c1", "b1", "a1", "c2", "a2", "a3"]
    assert in_turns([], {}) == []


async def test_a_job_waits_for_one_of_each_other_key(store: JobStore) -> None:
    for n in range(20):
        await submit(store, f"a{n}", "a")
    for n in range(2):
        await submit(store, f"b{n}", "b")
        await submit(store, f"c{n}", None)
    claims = [await store.claim(LEASE) for _ in range(8)]
    owners = [claim.job.owner for claim in claims if claim is not None]
    assert [Counter(owners[n : n + 3]) for n in (0, 3)] == 2 * [Counter(["a", "b", None])]
    assert owners[6:] == ["a", "a"], "a key alone has every turn"


async def test_a_key_has_its_share_of_the_queue(store: JobStore) -> None:
    for n in range(3):
        await submit(store, f"a{n}", "a", 3)
    with pytest.raises(Overloaded, match="3 jobs of this API key"):
        await submit(store, "a3", "a", 3)
    await submit(store, "b", "b", 3)
    await submit(store, "c", None, 3)
    assert await store.claim(LEASE) is not None
    await submit(store, "a3", "a", 3)
    await store.delete("a3")
    await submit(store, "a4", "a", 3)


@pytest.mark.parametrize("store_url", ["redis"], indirect=True)
async def test_a_backlog_of_a_key_that_is_left_out_is_read_a_window_at_a_time(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepfake_serving.gateway.queue.redis.backend.WINDOW", 4)
    for name in [f"a{n}" for n in range(10)] + ["b"]:
        await submit(store, name, name[0])
    due, now = store.backend.due, store.clock() + 60
    assert [await due(now, 16, "jobs", {"a"}) for _ in range(4)] == [[], [], ["b"], ["b"]]
    await store.delete("b")
    await submit(store, "c", "c")
    for n in range(10):
        await store.delete(f"a{n}")
    assert [await due(now, 16, "jobs", {"a"}) for _ in range(2)] == [[], ["c"]]
    await submit(store, "a", "a")
    assert set(await due(now, 16, "jobs")) == {"a", "c"}


@pytest.mark.parametrize("window", [WINDOW, 4], ids=["", "many"])
async def test_slow_receivers_of_one_key_do_not_delay_those_of_another(
    window: int, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for backend in ("sqlite", "redis.backend"):
        monkeypatch.setattr(f"deepfake_serving.gateway.queue.{backend}.WINDOW", window)
    for name in [f"slow{n}" for n in range(9)] + ["fast"]:
        await submit(store, name, name[:4], webhook="https://example.org")
        claim = await store.claim(LEASE)
        assert claim is not None
        await store.finish(claim, "r", {})
    delivering: set[str] = set()
    keys: dict[str, str | None] = {}
    fast = asyncio.Event()

    async def deliver(job: Job) -> bool:
        delivering.add(job.id)
        keys[job.id] = current_key.get()
        if job.id == "fast":
            fast.set()
        else:
            await asyncio.Event().wait()
        return True

    worker = Worker(
        store, {}, lease_s=LEASE, concurrency={"webhooks": 4}, drain_s=0, deliver=deliver
    )
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    async with asyncio.timeout(60):
        await fast.wait()
        while len(delivering) < 3:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.6)
    assert len(delivering - {"fast"}) == 2, "half of the deliveries"
    assert keys == {name: name[:4] for name in delivering}, "slots are held for them"
    stop.set()
    await running
