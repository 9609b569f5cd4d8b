"""Storage that fails under a worker, a full disk and S3 errors: the job is retried and succeeds.

S3 is an endpoint by moto, behind a proxy that responds with 500 on demand. The full disk is a file
system of one megabyte.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import pytest
from aiohttp import ClientSession, web
from moto.server import ThreadedMotoServer

from deepfake_serving.contracts.jobs import ENDED, Job, Source
from deepfake_serving.contracts.problems import StorageFull
from deepfake_serving.gateway.jobs.loop import Outcome, Worker
from deepfake_serving.gateway.queue import records
from deepfake_serving.gateway.queue.store import JobStore, open_store
from deepfake_serving.gateway.storage.objects import Objects
from tests.support.small_disk import fill, small_disk

RESULT = b"x" * 500_000


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_BACKOFF_S", 0.1)


@contextlib.asynccontextmanager
async def working(store: JobStore, objects: Objects) -> AsyncIterator[None]:
    async def work(job: Job, *_: object) -> Outcome:
        result = f"jobs/{job.id}/result.json"
        await objects.put(result, RESULT)
        return Outcome(result, {})

    stop = asyncio.Event()
    running = asyncio.create_task(Worker(store, {"video": work}, lease_s=5).run(stop))
    yield
    stop.set()
    await running


async def submitted(store: JobStore, job_id: str = "a") -> None:
    await store.submit(Job(job_id, "video", "queued", Source("a"), {}, store.clock()))


async def failed_once(store: JobStore) -> Job:
    return await _until(store, lambda job: job.problem is not None)


async def ended(store: JobStore) -> Job:
    return await _until(store, lambda job: job.state in ENDED)


async def _until(store: JobStore, holds: object) -> Job:
    assert callable(holds)
    async with asyncio.timeout(60):
        while True:
            job = await store.get("a")
            assert job is not None
            if holds(job):
                return job
            await asyncio.sleep(0.02)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", "1m") as folder:
        yield folder


async def test_a_job_waits_while_the_disk_is_full(
    store_url: str, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filler = disk / "filler"
    filler.write_bytes(bytes(700_000))
    objects = Objects.open(f"file://{disk}/objects")
    async with open_store(store_url, max_queued=10, max_attempts=100) as store:
        await submitted(store)
        async with working(store, objects):
            waits = await failed_once(store)
            assert waits.state not in ENDED
            assert waits.problem is not None
            assert waits.problem["type"].endswith("storage-full")
            filler.unlink()
            done = await ended(store)
    assert done.state == "succeeded"
    assert done.attempt > 1
    assert await objects.get(str(done.result)) == RESULT


async def test_a_full_disk_refuses_new_jobs_and_keeps_accepted_ones(
    disk: Path,
) -> None:
    filler = disk / "filler"
    filler.write_bytes(bytes(700_000))
    accepted: set[str] = set()

    async def fill(store: JobStore) -> None:
        for n in range(10_000):
            await submitted(store, f"job{n}")
            accepted.add(f"job{n}")

    url = f"sqlite:///{disk}/jobs.sqlite"
    async with open_store(url, max_queued=10_000, max_attempts=5) as store:
        with pytest.raises(StorageFull):
            await fill(store)
    filler.unlink()
    async with open_store(url, max_queued=10_000, max_attempts=5) as store:
        assert {job.id for job in (await store.list(limit=10_000))[0]} == accepted
        await submitted(store, "another")
    assert accepted


async def test_jobs_are_deleted_from_a_full_disk(disk: Path) -> None:
    async with open_store(f"sqlite:///{disk}/jobs.sqlite", max_queued=9, max_attempts=5) as store:
        for name in "abc":
            await submitted(store, name)
        filler = fill(disk)
        with pytest.raises(StorageFull):
            await submitted(store, "x" * 60_000)
        for name in "abc":
            await store.delete(name)
            fill(disk)
        assert (await store.list())[0] == []
        filler.unlink()
        await submitted(store, "another")


async def test_jobs_are_cancelled_on_a_full_disk(disk: Path) -> None:
    async with open_store(f"sqlite:///{disk}/jobs.sqlite", max_queued=99, max_attempts=5) as store:
        for number in range(9):
            await submitted(store, f"job{number}")
        filler = fill(disk)
        for number in range(9):
            assert (await store.cancel(f"job{number}")).state == "cancelled"
            fill(disk)
        await store.delete("job0")
        filler.unlink()
        await submitted(store, "another")


class FailingS3:
    """Forwards requests to S3, or fails them."""

    def __init__(self, s3: str) -> None:
        self.s3, self.failing = s3, True

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        if self.failing:
            return web.Response(status=500)
        async with (
            ClientSession() as session,
            session.request(
                request.method, self.s3 + request.path_qs, data=body, headers=request.headers
            ) as response,
        ):
            given = {"ETag": response.headers.get("ETag", "")}
            return web.Response(body=await response.read(), status=response.status, headers=given)


@pytest.fixture
async def failing_s3(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FailingS3]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    proxy = FailingS3(f"http://{host}:{port}")
    runner = web.ServerRunner(web.Server(proxy))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    given = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{runner.addresses[0][1]}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    await asyncio.to_thread(
        lambda: boto3.client("s3", endpoint_url=proxy.s3).create_bucket(Bucket="media")
    )
    yield proxy
    await runner.cleanup()
    server.stop()


async def test_a_job_waits_while_s3_fails(
    store_url: str, failing_s3: FailingS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepfake_serving.gateway.storage.objects._RETRIES", {"max_retries": 1})
    objects = Objects.open("s3://media/deepfake")
    async with open_store(store_url, max_queued=10, max_attempts=100) as store:
        await submitted(store)
        async with working(store, objects):
            waits = await failed_once(store)
            assert waits.problem is not None
            assert waits.problem["type"].endswith("upstream-unavailable")
            failing_s3.failing = False
            done = await ended(store)
    assert done.state == "succeeded"
    assert done.attempt > 1
    assert await objects.get(str(done.result)) == RESULT
