"""Records that cannot be read: damaged ones, and those of a newer version after a rollback."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.contracts.problems import Internal
from deepfake_serving.gateway.jobs.retention import delete_expired
from deepfake_serving.gateway.queue.store import JobStore, open_store
from deepfake_serving.gateway.storage.objects import Objects

LEASE = 10.0
Rewrite = Callable[[str, Callable[[bytes], bytes]], None]


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[JobStore]:
    async with open_store(store_url, max_queued=100, max_attempts=3) as opened:
        yield opened


@pytest.fixture
def rewrite(store_url: str) -> Rewrite:
    """Returns a function that changes a record without the store."""

    def in_sqlite(job_id: str, change: Callable[[bytes], bytes]) -> None:
        path = store_url.removeprefix("sqlite://")
        with closing(sqlite3.connect(path)) as database, database:
            sql = "SELECT record FROM jobs WHERE id = ?"
            (data,) = database.execute(sql, (job_id,)).fetchone()
            values = change(data), job_id
            database.execute("UPDATE jobs SET record = ? WHERE id = ?", values)

    def in_redis(job_id: str, change: Callable[[bytes], bytes]) -> None:
        key = f"{{deepfake}}:job:{job_id}"
        with redis.Redis.from_url(store_url) as client:
            data: Any = client.get(key)
            client.set(key, change(data))

    return in_sqlite if store_url.startswith("sqlite") else in_redis


async def submitted(store: JobStore, *names: str) -> None:
    for n, name in enumerate(names):
        at = store.clock() - 100 + n
        await store.submit(Job(name, "video", "queued", Source(name), {}, created_at=at))


def broken(data: bytes) -> bytes:
    return data[: len(data) // 2]


def newer(data: bytes) -> bytes:
    document = orjson.loads(data)
    document["priority"] = 3
    document["job"] |= {"region": "eu", "source": document["job"]["source"] | {"etag": "x"}}
    return orjson.dumps(document)


def other_state(data: bytes) -> bytes:
    document = orjson.loads(data)
    document["job"]["state"] = "paused"
    return orjson.dumps(document)


async def test_fields_of_a_newer_version_are_ignored(store: JobStore, rewrite: Rewrite) -> None:
    await submitted(store, "a")
    rewrite("a", newer)
    claim = await store.claim(LEASE)
    assert claim is not None
    assert claim.job.source == Source("a")
    assert await store.finish(claim, "r", {})


@pytest.mark.parametrize("corrupt", [broken, other_state, lambda _: b"[]", lambda _: b"{}"])
async def test_an_unreadable_record_blocks_no_other_job_and_no_list(
    store: JobStore, rewrite: Rewrite, corrupt: Callable[[bytes], bytes]
) -> None:
    bad = [f"bad{n}" for n in range(20)]  # more than a worker tries to claim
    await submitted(store, *bad, "good")
    for name in bad:
        rewrite(name, corrupt)
    claims = [await store.claim(LEASE) for _ in range(3)]
    assert [claim.job.id for claim in claims if claim] == ["good"]
    jobs, _ = await store.list()
    assert [job.id for job in jobs] == ["good"]
    with pytest.raises(Internal, match="this version"):
        await store.get("bad0")
    assert (await store.counts())["queued"] == 20, "they are still counted"


async def test_an_unreadable_record_is_tried_again_later(store: JobStore, rewrite: Rewrite) -> None:
    await submitted(store, "a")
    kept = b""

    def corrupt(data: bytes) -> bytes:
        nonlocal kept
        kept = data
        return b"x"

    rewrite("a", corrupt)
    assert await store.claim(LEASE) is None
    rewrite("a", lambda _: kept)
    assert await store.claim(LEASE) is None
    later = time.time() + 301
    store.clock = lambda: later  # type: ignore[misc]
    claim = await store.claim(LEASE)
    assert claim is not None
    assert claim.job.id == "a"


async def test_the_media_of_an_unreadable_record_are_kept_until_it_is_deleted(
    store: JobStore, rewrite: Rewrite, tmp_path: Path
) -> None:
    objects = Objects.open(f"file://{tmp_path}/objects")
    await submitted(store, "a")
    for name in ("a", "orphan"):
        await objects.put(f"jobs/{name}/media", b"x")
        then = time.time() - 7200
        os.utime(tmp_path / "objects" / "jobs" / name / "media", (then, then))
    rewrite("a", broken)
    await delete_expired(store, objects, max_age_s=1, max_bytes=0)
    assert [key for key, _, _ in await objects.list("jobs")] == ["jobs/a/media"]
    await store.delete("a")
    assert await store.get("a") is None
    assert (await store.counts()).get("queued", 0) == 0
