"""One API key can't take all requests, calls, videos, live sources or memory from the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import grpc.aio
import httpx
import pytest

from deepfake_serving.contracts.jobs import LIVE, Job, Source
from deepfake_serving.contracts.problems import Overloaded
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from deepfake_serving.gateway.auth.authenticator import Limits, Principal
from deepfake_serving.gateway.auth.keys import generate
from deepfake_serving.gateway.auth.shares import Shares
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.grpc_api import handlers
from tests.support.listening_gateway import listening_gateway
from tests.support.running import GUARD_S

CONNECTIONS, CALLS, STREAMS = 16, 8, 4
STALL_S = 2.0


class Served:
    """A gateway with two keys, of which the first one has a job and a live source."""

    def __init__(self, gateway: Gateway, ports: dict[str, int], keys: dict[str, str]) -> None:
        self.gateway, self.ports, self.keys = gateway, ports, keys

    def client(self, name: str | None) -> httpx.AsyncClient:
        headers = {} if name is None else {"X-API-Key": self.keys[name]}
        url = f"http://127.0.0.1:{self.ports['http']}"
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=GUARD_S)


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(handlers, "MAX_CALLS", CALLS)
    created = {name: generate(name, ["admin"]) for name in ("one", "two")}
    (tmp_path / "keys.yaml").write_text("".join(entry for _, entry in created.values()))
    async with listening_gateway(
        tmp_path,
        keys_file=tmp_path / "keys.yaml",
        max_connections=CONNECTIONS,
        grpc_max_video_streams=STREAMS,
        upload_stall_timeout_s=STALL_S,
        max_image_bytes=2**20,
        max_body_memory_bytes=2**20,
        source_max_jobs=2,
    ) as (gateway, ports):
        store = gateway.jobs.store
        await store.submit(Job("a", "video", "queued", Source("a"), {}, time.time(), owner="one"))
        await store.submit(Job("l", LIVE, "queued", Source("a"), {}, time.time(), owner="one"))
        yield Served(gateway, ports, {name: key for name, (key, _) in created.items()})


def test_a_share_is_half_and_what_ends_is_returned() -> None:
    shares, one, two = Shares(2, "calls"), Principal("one"), Principal("two")
    with shares.reserve(one):
        with (
            pytest.raises(Overloaded, match="1 calls of this API key"),
            shares.reserve(one),
        ):
            pass
        with shares.reserve(two), pytest.raises(Overloaded, match="2 calls are open"):
            shares.reserve(Principal("three")).__enter__()
    only = Principal("only", limits=Limits(only=True))
    with shares.reserve(only), shares.reserve(only):
        assert shares.open == 2
    assert shares.open == 0


async def test_a_key_has_a_share_of_the_requests(served: Served) -> None:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(served.client("one"))
        two = await stack.enter_async_context(served.client("two"))
        for _ in range(CONNECTIONS // 2):
            events = one.stream("GET", "/v1/jobs/a/events")
            assert (await stack.enter_async_context(events)).status_code == 200
        refused = await one.get("/v1/jobs")
        assert refused.status_code == 429
        assert refused.json()["detail"] == "8 requests of this API key are open"
        assert (await two.get("/v1/jobs")).status_code == 200
    async with served.client("one") as one:
        while (await one.get("/v1/jobs")).status_code == 429:  # until the streams are seen to end
            await asyncio.sleep(0.05)


async def test_a_key_has_a_share_of_the_calls(served: Served) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{served.ports['grpc']}") as channel:
        stub = DetectorStub(channel)
        one, two = ([("x-api-key", served.keys[name])] for name in ("one", "two"))
        watching = [stub.WatchJob(pb.JobRequest(id="a"), metadata=one) for _ in range(CALLS // 2)]
        for call in watching:
            assert (await call.read()).id == "a"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListJobs(pb.ListJobsRequest(), metadata=one)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len((await stub.ListJobs(pb.ListJobsRequest(), metadata=two)).jobs) == 2
        for call in watching:
            call.cancel()


async def test_videos_over_grpc_have_a_limit_and_must_begin_in_time(served: Served) -> None:
    """A message of each is in memory, of up to twice the longest image."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{served.ports['grpc']}") as channel:
        stub, metadata = DetectorStub(channel), [("x-api-key", served.keys["one"])]
        calls = [stub.SubmitVideo(metadata=metadata) for _ in range(STREAMS)]
        statuses = await asyncio.gather(*(call.code() for call in calls))
        details = [await call.details() for call in calls]
    assert statuses.count(grpc.StatusCode.RESOURCE_EXHAUSTED) == STREAMS // 2
    slow = [text for text in details if "pauses of" in text]
    assert len(slow) == STREAMS // 2, details


async def test_a_client_without_a_key_fills_no_memory_of_bodies(served: Served) -> None:
    """It sends them to probes, which read none."""
    reading, begun = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield bytes(2**20)
        begun.set()
        await reading.wait()

    async with served.client(None) as nobody, served.client("two") as two:
        probe = asyncio.create_task(nobody.request("GET", "/v2/health/ready", content=body()))
        await first_end(probe, begun)
        response = await two.post("/v2/repository/index", content=b"{}")
        assert response.status_code == 200
        reading.set()
        assert (await probe).status_code == 503


async def first_end(task: asyncio.Task[httpx.Response], event: asyncio.Event) -> None:
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def test_a_key_has_a_share_of_the_live_sources(served: Served) -> None:
    submission = served.gateway.submission
    assert "of this API key" in str(await submission._live_refusal(Principal("one")))
    assert await submission._live_refusal(Principal("two")) is None
    assert await submission._live_refusal(Principal()) is None
