"""Usage of API keys by day: in memory, in SQLite and in a real Redis."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from deepfake_serving.contracts.problems import Problem, QuotaExceeded, UpstreamUnavailable
from deepfake_serving.gateway.auth.usage import Quota, UsageMeter
from deepfake_serving.gateway.queue.store import open_store
from deepfake_serving.gateway.queue.usage import (
    RETAIN_DAYS,
    Batch,
    MemoryUsage,
    Usage,
    UsageStore,
    day_of,
)
from tests.support.redis_server import RedisServer
from tests.support.reply_losing_proxy import ReplyLosingProxy
from tests.support.running import GUARD_S

DAY_S = 24 * 3600
NOON = 20_000 * DAY_S + DAY_S // 2


class Clock:
    """Seconds since the epoch, which tests set."""

    def __init__(self) -> None:
        self.now = float(NOON)

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[UsageStore]:
    if request.param == "memory":
        yield MemoryUsage()
        return
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        url = server.url
    else:
        url = f"sqlite:///{request.getfixturevalue('tmp_path')}/jobs.sqlite"
    async with open_store(url, max_queued=1, max_attempts=1) as jobs:
        yield jobs.backend.usage


async def add(store: UsageStore, at: float, usage: Usage) -> None:
    await store.add(Batch(uuid.uuid4().hex, 1, day_of(at), usage))


async def test_gateways_and_workers_share_the_usage_of_a_day(store: UsageStore) -> None:
    clock = Clock()
    first, second = UsageMeter(store, clock=clock), UsageMeter(store, clock=clock)
    first.add("a", "requests", 2)
    first.add("a", "bytes", 1000)
    second.add("a", "requests", 1)
    second.add("b", "images", 5)
    await add(store, NOON, {"a": {"video_seconds": 2.5}})  # a worker's
    for meter in (first, second, first):
        await meter.flush()
    assert first.used("a", "requests") == second.used("a", "requests") == 3
    assert first.used("a", "video_seconds") == 2.5
    assert await first.read(first.today()) == {
        "a": {"requests": 3, "bytes": 1000, "video_seconds": 2.5},
        "b": {"images": 5},
    }


class SlowStore(MemoryUsage):
    """A store that adds usage once `proceed` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.adding, self.proceed = asyncio.Event(), asyncio.Event()

    async def add(self, batch: Batch) -> None:
        self.adding.set()
        await self.proceed.wait()
        await super().add(batch)


async def test_usage_on_its_way_to_the_store_is_read_too() -> None:
    store = SlowStore()
    meter = UsageMeter(store, clock=Clock())
    meter.add("a", "images", 3)
    async with asyncio.TaskGroup() as group:
        group.create_task(meter.flush())
        await store.adding.wait()
        meter.add("a", "images", 1)
        reading = group.create_task(meter.read(meter.today()))
        await asyncio.sleep(0)
        store.proceed.set()
    assert reading.result() == {"a": {"images": 4}}


async def test_a_quota_is_free_again_on_the_next_day(store: UsageStore) -> None:
    clock = Clock()
    meter, limits = UsageMeter(store, clock=clock), Quota(images=3).limits()
    meter.add("a", "images", 2)
    meter.check("a", limits)
    await meter.flush()
    meter.add("a", "images", 1)
    with pytest.raises(QuotaExceeded, match="3 images a day") as caught:
        meter.check("a", limits)
    assert caught.value.retry_after_s == DAY_S // 2
    meter.check("b", limits)
    clock.now += DAY_S
    meter.check("a", limits)
    await meter.flush()
    meter.check("a", limits)
    assert (await meter.read(day_of(NOON)))["a"] == {"images": 3}


async def test_old_days_are_forgotten(store: UsageStore) -> None:
    await add(store, NOON, {"a": {"images": 1}})
    await add(store, NOON + (RETAIN_DAYS - 1) * DAY_S, {"a": {"images": 1}})
    assert await store.read(day_of(NOON))
    if hasattr(store, "_client"):  # Redis expires them
        assert await store._client.ttl("{deepfake}:usage:" + day_of(NOON)) > 39 * DAY_S
        return
    await add(store, NOON + (RETAIN_DAYS + 1) * DAY_S, {"a": {"images": 1}})
    assert await store.read(day_of(NOON)) == {}


class FailingUsage(MemoryUsage):
    """A store that fails on demand."""

    failing = True

    async def add(self, batch: Batch) -> None:
        if self.failing:
            raise UpstreamUnavailable("down")
        await super().add(batch)


async def test_usage_is_kept_and_limits_hold_while_the_store_fails() -> None:
    store = FailingUsage()
    meter = UsageMeter(store, clock=Clock())
    meter.add("a", "images", 2)
    for _ in range(2):
        with pytest.raises(Problem):
            await meter.flush()
    with pytest.raises(QuotaExceeded):
        meter.check("a", Quota(images=2).limits())
    store.failing = False
    await meter.flush()
    assert await meter.read(meter.today()) == {"a": {"images": 2}}


async def test_a_failing_store_is_logged_once_and_what_was_counted_is_stored_at_the_end() -> None:
    store = FailingUsage()
    meter = UsageMeter(store, clock=Clock())
    meter.add("a", "requests", 7)
    with capture_logs() as logs:
        async with meter.flushing(), asyncio.timeout(GUARD_S):
            while not logs:
                await asyncio.sleep(0.01)
            store.failing = False
    assert [(each["task"], each["problem"]) for each in logs] == [("usage", "upstream-unavailable")]
    assert await store.read(meter.today()) == {"a": {"requests": 7}}


async def test_usage_is_stored_after_an_unexpected_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepfake_serving.gateway.auth.usage._FLUSH_S", 0.01)
    store = MemoryUsage()
    meter = UsageMeter(store, clock=Clock())
    async with meter.flushing(), asyncio.timeout(GUARD_S):
        with monkeypatch.context() as broken, capture_logs() as logs:
            broken.setattr(store, "add", lambda *_: 1 / 0)
            meter.add("a", "requests", 7)
            while not logs:
                await asyncio.sleep(0.01)
        while await store.read(meter.today()) != {"a": {"requests": 7}}:
            await asyncio.sleep(0.01)
    assert [each["event"] for each in logs] == ["background task failed"]


async def test_a_batch_is_added_once_however_often_it_is_sent(store: UsageStore) -> None:
    for number in (1, 1, 2, 1, 2):
        await store.add(Batch("one", number, day_of(NOON), {"a": {"images": 1}}))
        await store.add(Batch("other", number, day_of(NOON + DAY_S), {"a": {"images": 1}}))
    assert await store.read(day_of(NOON)) == {"a": {"images": 2}}
    assert await store.read(day_of(NOON + DAY_S)) == {"a": {"images": 2}}


class Deaf(MemoryUsage):
    """A store whose first response is lost."""

    received = False

    async def add(self, batch: Batch) -> None:
        await super().add(batch)
        if not self.received:
            self.received = True
            await asyncio.sleep(0)
            raise UpstreamUnavailable("the response was lost")


@pytest.mark.parametrize("end", ["cancelled", "lost"])
async def test_usage_is_counted_once_if_the_end_of_a_flush_is_unknown(end: str) -> None:
    store = Deaf()
    meter = UsageMeter(store, clock=Clock())
    meter.add("a", "images", 3)
    flushing = asyncio.create_task(meter.flush())
    if end == "cancelled":
        while not store.received:
            await asyncio.sleep(0)
        flushing.cancel()
    await asyncio.gather(flushing, return_exceptions=True)
    meter.add("a", "images", 1)
    assert meter.used("a", "images") == 4
    await meter.flush()
    assert meter.used("a", "images") == 4
    assert await store.read(meter.today()) == {"a": {"images": 4}}


async def test_usage_whose_reply_redis_lost_counts_once(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """The client sends it again."""
    proxy = ReplyLosingProxy(Path(redis_server.url.removeprefix("unix://")))
    proxy.opened.set()
    front = tmp_path / "front.sock"
    async with (
        await asyncio.start_unix_server(proxy, front),
        open_store(f"unix://{front}", max_queued=1, max_attempts=1) as jobs,
    ):
        await add(jobs.backend.usage, NOON, {"a": {"images": 1}})
        assert proxy.lost.is_set()
        assert await jobs.backend.usage.read(day_of(NOON)) == {"a": {"images": 1}}


def test_statuses_are_those_of_the_limits() -> None:
    meter = UsageMeter(MemoryUsage(), clock=Clock())
    meter.add("a", "bytes", 400)
    meter.add(None, "bytes", 400)
    (status,) = meter.statuses("a", Quota(bytes=1000).limits())
    assert (status.name, status.unit) == ("bytes-per-day", "content-bytes")
    assert (status.quota, status.remaining, status.reset_s) == (1000, 600, DAY_S // 2)


@pytest.mark.parametrize("given", [{"images": -1}, {"frames": 1}, {"bytes": "many"}])
def test_an_invalid_quota_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Quota.model_validate(given)
