"""A Redis whose memory is full: jobs and documents can be deleted, which makes room."""

from __future__ import annotations

import pytest
import redis

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.contracts.problems import StorageFull
from deepfake_serving.gateway.queue.collections.collection import Document
from deepfake_serving.gateway.queue.store import open_store
from tests.support.redis_server import RedisServer


async def test_jobs_and_documents_can_be_deleted_from_a_full_redis(
    redis_server: RedisServer,
) -> None:
    async with open_store(redis_server.url, max_queued=9, max_attempts=1) as store:
        documents = store.backend.collection("feedback")
        await documents.put([Document("label", 1.0, b"fake")])
        await store.submit(_job("a"))
        with redis.Redis(unix_socket_path=str(redis_server.socket)) as client:
            client.config_set("maxmemory", 1)
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


def _job(name: str) -> Job:
    return Job(name, "video", "queued", Source("a"), {}, 1000.0, owner="me")
