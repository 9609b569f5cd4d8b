"""A Redis whose memory is full: what makes room works, and so do the jobs that it has."""

from __future__ import annotations

import asyncio

import pytest

from deepfake_serving.contracts.jobs import STATES, Job, Progress, Source
from deepfake_serving.contracts.problems import Internal, StorageFull
from deepfake_serving.gateway.queue.collections.collection import Document
from deepfake_serving.gateway.queue.store import open_store
from tests.support.redis_server import RedisServer, as_admin


async def test_jobs_and_documents_can_be_deleted_from_a_full_redis(
    redis_server: RedisServer,
) -> None:
    async with open_store(redis_server.url, max_queued=9, max_attempts=1) as store:
        documents = store.backend.collection("feedback")
        await documents.put([Document("label", 1.0, b"fake")])
        await store.submit(_job("a"))
        _fill(redis_server)
        with pytest.raises(StorageFull):
            await store.submit(_job("b"))
        found = await documents.get("label")
        assert found is not None
        await documents.remove(["label"])
        await store.delete("a")
        assert await documents.page(9) == []
        assert await store.get("a") is None
        assert sum((await store.counts()).values()) == 0
        assert await store.claim(10) is None


async def test_jobs_in_a_full_redis_are_cancelled(redis_server: RedisServer) -> None:
    async with open_store(redis_server.url, max_queued=9, max_attempts=1) as store:
        for name in "ab":
            await store.submit(_job(name))
        claim = await store.claim(10)
        assert claim is not None
        _fill(redis_server)
        assert (await store.cancel("b")).state == "cancelled"
        assert (await store.cancel("a")).state == "running"
        assert await store.heartbeat(claim, Progress(), 10) == "cancelled"
        assert await store.fail(claim, Internal("cancelled"), final=True)
        assert await store.counts() == dict.fromkeys(STATES, 0) | {"cancelled": 2}


async def test_jobs_in_a_full_redis_run_to_their_end(redis_server: RedisServer) -> None:
    async with open_store(redis_server.url, max_queued=9, max_attempts=1) as store:
        await store.submit(_job("a"))
        _fill(redis_server)
        claim = await store.claim(10)
        assert claim is not None, "although the turn of its owner is not noted"
        assert await store.heartbeat(claim, Progress("decoding"), 10) == "ok"
        assert await store.finish(claim, "jobs/a/result", {"verdict": "real"})
        assert not await store.finish(claim, "jobs/a/result", {"verdict": "fake"})
        ended = await store.get("a")
        assert ended is not None
        assert (ended.state, ended.summary) == ("succeeded", {"verdict": "real"})


async def test_a_change_in_a_full_redis_follows_a_concurrent_one(
    redis_server: RedisServer,
) -> None:
    async with open_store(redis_server.url, max_queued=9, max_attempts=1) as store:
        await store.submit(_job("a"))
        _fill(redis_server)
        claims = await asyncio.gather(*(store.claim(10) for _ in range(8)))
    assert len([claim for claim in claims if claim is not None]) == 1


def _fill(server: RedisServer) -> None:
    with as_admin(server.url) as client:
        client.config_set("maxmemory", 1)


def _job(name: str) -> Job:
    return Job(name, "video", "queued", Source("a"), {}, 1000.0, owner="me")
