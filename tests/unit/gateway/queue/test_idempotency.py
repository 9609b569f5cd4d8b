"""Idempotency keys: one submission is one job, also if it is sent twice or its reply is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.contracts.problems import Conflict, Overloaded
from deepfake_serving.gateway.queue.store import JobStore, open_store
from tests.support.reply_losing_proxy import ReplyLosingProxy

ONCE = ("me:key", "print")


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[JobStore]:
    async with open_store(store_url, max_queued=3, max_attempts=3) as opened:
        yield opened


def job(name: str) -> Job:
    return Job(name, "video", "queued", Source("a.mp4"), {}, created_at=1000.0)


class DelayingProxy:
    """A proxy of Redis with random delays, so that the order of commands varies."""

    def __init__(self, socket: Path) -> None:
        self.socket, self.chance = socket, random.Random(0)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_unix_connection(self.socket)
        with contextlib.closing(to_writer), contextlib.closing(writer):
            await asyncio.gather(self._pass(reader, to_writer), self._pass(to_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(2**16):
                await asyncio.sleep(self.chance.uniform(0, 0.01))
                writer.write(data)
                await writer.drain()
            writer.close()


async def test_concurrent_submissions_with_one_key_are_one_job(
    store: JobStore, store_url: str, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        if store_url.startswith("unix"):
            proxy = DelayingProxy(Path(store_url.removeprefix("unix://")))
            store_url = f"unix://{tmp_path}/front.sock"
            front = await asyncio.start_unix_server(proxy, tmp_path / "front.sock")
            await stack.enter_async_context(front)
        opening = (open_store(store_url, max_queued=100, max_attempts=3) for _ in range(8))
        stores = [await stack.enter_async_context(each) for each in opening]
        for n in range(10):
            once = (f"me:key{n}", "print")
            results = await asyncio.gather(
                *(each.submit(job(f"{n}-{i}"), once) for i, each in enumerate(stores))
            )
            assert len({given.id for given, _ in results}) == 1
            assert [created for _, created in results].count(True) == 1
    assert len((await store.list(limit=100))[0]) == 10


async def test_a_known_key_returns_its_job_although_the_queue_is_full(
    store: JobStore,
) -> None:
    await store.submit(job("a"), ONCE)
    await store.submit(job("b"))
    await store.submit(job("c"))
    with pytest.raises(Overloaded):
        await store.submit(job("d"), ("me:other", "print"))
    first, created = await store.submit(job("e"), ONCE)
    assert (first.id, created) == ("a", False)
    with pytest.raises(Conflict):
        await store.submit(job("f"), ("me:key", "another request"))


async def test_a_key_whose_job_was_deleted_is_free(store: JobStore) -> None:
    await store.submit(job("a"), ONCE)
    await store.delete("a")
    _, created = await store.submit(job("b"), ("me:key", "another request"))
    assert created
    again, _ = await store.submit(job("c"), ("me:key", "another request"))
    assert again.id == "b"


@pytest.mark.parametrize("store_url", ["redis"], indirect=True)
async def test_a_submission_whose_reply_was_lost_does_not_restart(
    store: JobStore, store_url: str, tmp_path: Path
) -> None:
    """SQLite runs in the same process."""
    proxy = ReplyLosingProxy(Path(store_url.removeprefix("unix://")))
    front = tmp_path / "front.sock"
    async with (
        await asyncio.start_unix_server(proxy, front),
        open_store(f"unix://{front}", max_queued=3, max_attempts=3) as behind,
    ):
        submitting = asyncio.create_task(behind.submit(job("a"), ONCE))
        async with asyncio.timeout(60):
            await proxy.lost.wait()
        claim = await store.claim(10)
        assert claim is not None
        assert await store.finish(claim, "jobs/a/result.json", {})
        proxy.opened.set()
        given, created = await submitting
    assert (given.id, created) == ("a", True)
    completed = await store.get("a")
    assert completed is not None
    assert completed.state == "succeeded"
    assert await store.claim(10) is None
