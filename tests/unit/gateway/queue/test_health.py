"""The job store's health: what it says of a store that fails, hangs and recovers."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.queue.health import StoreHealth
from deepfake_serving.gateway.queue.sqlite import SQLiteBackend
from deepfake_serving.gateway.queue.store import open_store
from tests.support.redis_server import RedisServer, as_admin

GUARD_S = 60


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(GUARD_S):
        while not condition():
            await asyncio.sleep(0.05)


async def test_it_follows_a_redis_that_is_killed_and_comes_back(redis_server: RedisServer) -> None:
    async with open_store(redis_server.url, max_queued=10, max_attempts=3) as store:
        health = StoreHealth(store.counts, store.backend.check_writes)
        async with health.monitor():
            assert health.healthy
            redis_server.kill()
            await until(lambda: not health.healthy)
            assert health.reason == "the job store cannot be reached"
            redis_server.start()
            await until(lambda: health.healthy)


async def test_a_redis_that_hangs_is_unhealthy(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepfake_serving.gateway.queue.health._TIMEOUT_S", 0.2)
    async with open_store(redis_server.url, max_queued=10, max_attempts=3) as store:
        health = StoreHealth(store.counts, store.backend.check_writes)
        async with health.monitor():
            redis_server.process.send_signal(signal.SIGSTOP)
            try:
                await until(lambda: not health.healthy)
                assert health.reason == "the job store did not respond within 0.2 s"
            finally:
                redis_server.process.send_signal(signal.SIGCONT)
            await until(lambda: health.healthy)


async def test_a_redis_that_accepts_no_writes_can_be_read(redis_server: RedisServer) -> None:
    async with open_store(redis_server.url, max_queued=10, max_attempts=3) as store:
        health = StoreHealth(store.counts, store.backend.check_writes)
        with as_admin(redis_server.url) as client:
            async with health.monitor():
                assert health.writable
                client.config_set("maxmemory", 1)
                await until(lambda: health.refusal == "the job store is full")
                client.config_set("maxmemory", 0)
                await until(lambda: health.writable)
                client.replicaof("127.0.0.1", 1)
                await until(lambda: health.refusal == "the job store is read-only")
                client.replicaof("NO", "ONE")
                client.config_set("min-replicas-to-write", 1)
                await until(lambda: health.refusal == "the job store refused an operation")
                assert health.healthy
                assert not health.writable


async def test_a_read_only_database_can_be_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.sqlite"
    async with open_store(url, max_queued=1, max_attempts=1) as store:
        assert isinstance(store.backend, SQLiteBackend)
        await store.backend.check_writes()
        await store.backend._rows("PRAGMA query_only = ON")
        await store.counts()
        with pytest.raises(UpstreamUnavailable, match="readonly"):
            await store.backend.check_writes()


async def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").mkdir()
    with pytest.raises(UpstreamUnavailable, match=r"jobs\.sqlite cannot be read"):
        async with open_store(f"sqlite:///{tmp_path}/jobs.sqlite", max_queued=1, max_attempts=1):
            pass


async def test_a_check_that_fails_unexpectedly_is_unhealthy_and_followed_by_others() -> None:
    failing = True

    async def check() -> None:
        if failing:
            raise ZeroDivisionError

    health = StoreHealth(check, check)
    async with health.monitor():
        assert health.reason == "the job store failed: ZeroDivisionError"
        failing = False
        await until(lambda: health.healthy)
