"""Lists in Redis while others add and remove entries: each entry that stays is there once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.gateway.queue.backend import Query
from deepfake_serving.gateway.queue.collections.collection import Document
from deepfake_serving.gateway.queue.records import Record
from deepfake_serving.gateway.queue.redis import pages
from deepfake_serving.gateway.queue.redis.backend import RedisBackend, open_redis
from tests.unit.gateway.conftest import RedisServer

COUNT = 30


@pytest.fixture
async def backend(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RedisBackend]:
    monkeypatch.setattr(pages, "PAGE", 7)
    async with open_redis(redis_server.url) as backend:
        yield backend


async def put_job(backend: RedisBackend, name: str, at: float) -> None:
    await backend.insert(Record(Job(name, "video", "queued", Source("a"), {}, at), at), None, True)


async def put_document(backend: RedisBackend, name: str, at: float) -> None:
    await backend.collection("uploads").put([Document(name, at, b"{}")])


def changing_between_reads(
    backend: RedisBackend, monkeypatch: pytest.MonkeyPatch, change: Callable[[], Awaitable[object]]
) -> None:
    read, changes = backend._client.zrevrangebyscore, [change]

    async def reading(*given: object, **named: object) -> object:
        found = await read(*given, **named)
        if changes:
            await changes.pop()()
        return found

    monkeypatch.setattr(backend._client, "zrevrangebyscore", reading)


@pytest.mark.parametrize("change", ["add", "remove"])
@pytest.mark.parametrize("at", [lambda n: float(n), lambda n: 5.0 + n // 9], ids=["apart", "ties"])
async def test_jobs_are_listed_once(
    backend: RedisBackend,
    change: str,
    at: Callable[[int], float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for n in range(COUNT):
        await put_job(backend, f"job{n:02d}", at(n))

    async def changed() -> None:
        if change == "add":
            await put_job(backend, "new", 1e6)
        else:
            await backend.remove(f"job{COUNT - 1:02d}")

    changing_between_reads(backend, monkeypatch, changed)
    found = [record.job.id for record in await backend.page(Query(), 100, None)]
    assert [name for name in found if name != f"job{COUNT - 1:02d}"] == [
        f"job{n:02d}" for n in reversed(range(COUNT - 1))
    ]


@pytest.mark.parametrize("change", ["add", "remove"])
async def test_documents_are_listed_once(
    backend: RedisBackend, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(COUNT):
        await put_document(backend, f"{n:02d}", float(n))

    async def changed() -> None:
        if change == "add":
            await put_document(backend, "new", 1e6)
        else:
            await backend.collection("uploads").remove([f"{COUNT - 1:02d}"])

    changing_between_reads(backend, monkeypatch, changed)
    found = [document.key for document in await backend.collection("uploads").page(100)]
    assert [name for name in found if name != f"{COUNT - 1:02d}"] == [
        f"{n:02d}" for n in reversed(range(COUNT - 1))
    ]
