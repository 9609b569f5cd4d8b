"""Resumable uploads, whose parts several gateways store."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from deepfake_serving.contracts.problems import (
    Conflict,
    InvalidRequest,
    NotFound,
    Overloaded,
    SlowRequest,
    TooLarge,
)
from deepfake_serving.gateway.auth.authenticator import Authenticator, Limits, Principal
from deepfake_serving.gateway.queue.store import open_store
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.uploads import service
from deepfake_serving.gateway.uploads.retention import delete_expired_uploads
from deepfake_serving.gateway.uploads.service import UploadLimits, Uploads

ONE, TWO = Principal("one", sees_all=False), Principal("two", sees_all=True)
LIMITS = UploadLimits(max_file_bytes=1000, max_count=4, max_bytes=4000, expire_s=3600)


class Clock:
    now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


async def chunks(*parts: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if error is not None:
        raise error


@asynccontextmanager
async def gateways(
    store_url: str, objects: Objects, limits: UploadLimits = LIMITS
) -> AsyncIterator[tuple[Uploads, Uploads, Clock]]:
    """Opens the uploads of two gateways that share their stores."""
    clock = Clock()
    async with (
        open_store(store_url, max_queued=9, max_attempts=1) as first,
        open_store(store_url, max_queued=9, max_attempts=1) as second,
    ):
        one, two = (
            Uploads(store.backend.collection("uploads"), objects, limits, clock)
            for store in (first, second)
        )
        yield one, two, clock


async def test_gateways_take_turns_in_receiving_a_file(store_url: str, objects: Objects) -> None:
    data = os.urandom(900)
    async with gateways(store_url, objects) as (one, two, _):
        upload = await one.create(len(data), "film.mp4", ONE)
        assert await one.append(upload, 0, chunks(data[:100], data[100:300])) == 300
        found = await two.find(upload.id, ONE)
        assert found == upload
        assert await two.offset(found) == 300
        assert await two.append(found, 300, chunks(data[300:])) == 900
        digest = await one.move(upload, "jobs/a/media")
        assert await objects.get("jobs/a/media") == data
        assert digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
        await one.delete(upload)
        assert await objects.list("uploads") == []
        with pytest.raises(NotFound):
            await two.find(upload.id, ONE)


async def test_an_upload_that_another_gateway_has_submitted_is_not_found(
    store_url: str, objects: Objects
) -> None:
    async with gateways(store_url, objects) as (one, two, _):
        upload = await one.create(3, None, ONE)
        await one.append(upload, 0, chunks(b"abc"))
        await two.delete(upload)
        with pytest.raises(NotFound):
            await one.move(upload, "jobs/a/media")


@pytest.fixture
def sqlite_url(tmp_path: os.PathLike[str]) -> str:
    return f"sqlite:///{tmp_path}/jobs.sqlite"


async def test_long_files_are_stored_in_parts(
    sqlite_url: str, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_PART_BYTES", 100)
    data = os.urandom(950)
    async with gateways(sqlite_url, objects) as (one, _, _):
        upload = await one.create(len(data), None, ONE)
        sent = (data[at : at + 30] for at in range(0, len(data), 30))
        assert await one.append(upload, 0, chunks(*sent)) == 950
        sizes = [size for _, size, _ in sorted(await objects.list("uploads"))]
        assert sizes == [120] * 7 + [110]
        await one.move(upload, "jobs/a/media")
        assert await objects.get("jobs/a/media") == data


@pytest.mark.parametrize("error", [SlowRequest("too slow"), ConnectionError()])
async def test_bytes_before_a_failure_are_kept(
    sqlite_url: str, objects: Objects, error: Exception
) -> None:
    async with gateways(sqlite_url, objects) as (one, two, _):
        upload = await one.create(10, None, ONE)
        with pytest.raises(type(error)):
            await one.append(upload, 0, chunks(b"abc", b"d", error=error))
        assert await two.offset(upload) == 4
        assert await two.append(upload, 4, chunks(b"efghij")) == 10


async def test_of_two_requests_at_one_offset_one_is_a_conflict(
    sqlite_url: str, objects: Objects
) -> None:
    async with gateways(sqlite_url, objects) as (one, two, _):
        upload = await one.create(10, None, ONE)
        begun = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            begun.set()
            yield b"abcd"
            await second_done.wait()

        second_done = asyncio.Event()
        first = asyncio.create_task(one.append(upload, 0, slow()))
        await begun.wait()
        assert await two.append(upload, 0, chunks(b"abcdef")) == 6
        second_done.set()
        with pytest.raises(Conflict, match="another request"):
            await first
        assert await one.offset(upload) == 6


async def test_wrong_requests_store_nothing_wrong(sqlite_url: str, objects: Objects) -> None:
    async with gateways(sqlite_url, objects) as (one, _, _):
        upload = await one.create(10, None, ONE)
        with pytest.raises(Conflict, match="at offset 0, not 3"):
            await one.append(upload, 3, chunks(b"abc"))
        with pytest.raises(TooLarge):
            await one.append(upload, 0, chunks(b"abcdef", b"ghijkl"))
        assert await one.offset(upload) == 6
        with pytest.raises(Conflict, match="6 of 10"):
            await one.move(upload, "jobs/a/media")
        with pytest.raises(InvalidRequest):
            await one.create(0, None, ONE)
        with pytest.raises(TooLarge):
            await one.create(1001, None, ONE)


async def test_other_keys_find_nothing_even_those_of_admins(
    sqlite_url: str, objects: Objects
) -> None:
    async with gateways(sqlite_url, objects) as (one, two, _):
        upload = await one.create(10, None, ONE)
        with pytest.raises(NotFound):
            await two.find(upload.id, TWO)
        with pytest.raises(NotFound):
            await two.find("../jobs", ONE)


async def test_a_key_opens_half_of_all_uploads(sqlite_url: str, objects: Objects) -> None:
    async with gateways(sqlite_url, objects) as (one, two, _):
        opened = [await one.create(10, None, ONE) for _ in range(2)]
        with pytest.raises(Overloaded, match="of this API key"):
            await two.create(10, None, ONE)
        await two.create(10, None, TWO)
        await one.delete(opened[0])
        await two.create(10, None, ONE)
        await two.create(10, None, TWO)
        with pytest.raises(Overloaded, match="4 resumable uploads are open"):
            await two.create(10, None, Principal("three"))


async def test_clients_without_keys_open_all_uploads(sqlite_url: str, objects: Objects) -> None:
    anyone = await Authenticator(None, None, None).authorize({}, "videos")
    async with gateways(sqlite_url, objects) as (one, two, _):
        for uploads in (one, two, one, two):
            await uploads.create(1000, None, anyone)
        with pytest.raises(Overloaded, match="4 resumable uploads are open"):
            await one.create(1000, None, anyone)


async def test_the_length_of_all_uploads_is_limited(sqlite_url: str, objects: Objects) -> None:
    only = replace(ONE, limits=Limits(only=True))
    limits = replace(LIMITS, max_bytes=1500)
    async with gateways(sqlite_url, objects, limits) as (one, _, _):
        await one.create(1000, None, only)
        with pytest.raises(Overloaded, match="of 1000 bytes"):
            await one.create(501, None, only)
        await one.create(500, None, only)
        with pytest.raises(TooLarge, match="limit is 750"):
            await one.create(751, None, ONE)


async def test_many_small_parts_are_refused(
    sqlite_url: str, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_MIN_PARTS", 3)
    async with gateways(sqlite_url, objects) as (one, _, _):
        upload = await one.create(10, None, ONE)
        for offset in range(3):
            await one.append(upload, offset, chunks(b"a"))
        with pytest.raises(TooLarge, match="larger ones"):
            await one.append(upload, 3, chunks(b"a"))


async def test_expired_uploads_are_deleted(store_url: str, objects: Objects) -> None:
    async with (
        gateways(store_url, objects) as (one, two, clock),
        open_store(store_url, max_queued=9, max_attempts=1) as store,
    ):
        collection = store.backend.collection("uploads")
        old = [await one.create(10, None, ONE) for _ in range(2)]
        await one.append(old[0], 0, chunks(b"abc"))
        clock.now += 1800
        fresh = await one.create(10, None, TWO)
        await one.append(fresh, 0, chunks(b"abc"))
        clock.now += 1801
        with pytest.raises(NotFound):
            await two.find(old[0].id, ONE)
        await one.create(10, None, ONE)  # the expired ones do not count
        written = max(at for _, _, at in await objects.list("uploads"))
        assert await delete_expired_uploads(collection, objects, clock.now, 3600) == 0
        await collection.remove([old[0].id, old[1].id])
        later = written + 3601  # objects have the time of their store
        keep = later - fresh.created_at + 1
        assert await delete_expired_uploads(collection, objects, later, keep) == 1
        assert [key.split("/")[1] for key, _, _ in await objects.list("uploads")] == [fresh.id]
