"""Requests about jobs as clients repeat and misspell them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from tests.support.listening_gateway import listening_gateway
from tests.support.running import GUARD_S


@pytest.fixture
async def clients(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, DetectorStub]]:
    """Clients of a gateway with a queued job, by REST and gRPC."""
    async with listening_gateway(tmp_path) as (gateway, ports):
        job = Job("a", "video", "queued", Source("a.mp4"), {}, time.time())
        await gateway.jobs.store.submit(job)
        url = f"http://127.0.0.1:{ports['http']}"
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{ports['grpc']}")
        async with httpx.AsyncClient(base_url=url, timeout=GUARD_S) as client, channel:
            yield client, DetectorStub(channel)


Clients = tuple[httpx.AsyncClient, DetectorStub]


async def test_a_repeated_cancellation_deletes_nothing(clients: Clients) -> None:
    client, _ = clients
    for _ in range(2):
        response = await client.post("/v1/jobs/a/cancel")
        assert (response.status_code, response.json()["state"]) == (200, "cancelled")
    assert (await client.get("/v1/jobs/a")).json()["state"] == "cancelled"
    assert (await client.post("/v1/jobs/b/cancel")).status_code == 404


async def test_a_job_is_cancelled_and_then_deleted_over_grpc(clients: Clients) -> None:
    client, stub = clients
    request = pb.JobRequest(id="a")
    assert (await stub.DeleteJob(request)).cancelled.state == pb.JOB_STATE_CANCELLED
    assert (await client.get("/v1/jobs/a")).json()["state"] == "cancelled"
    assert not (await stub.DeleteJob(request)).HasField("cancelled")
    assert (await client.get("/v1/jobs/a")).status_code == 404
    with pytest.raises(grpc.RpcError, match="no job 'a'"):
        await stub.DeleteJob(request)


@pytest.mark.parametrize("kind", ["film", "VIDEO", "part"])
async def test_a_kind_that_no_job_has_is_refused(clients: Clients, kind: str) -> None:
    client, stub = clients
    response = await client.get("/v1/jobs", params={"kind": kind})
    assert response.status_code == 400
    assert "'image', 'video' or 'live'" in response.json()["detail"]
    with pytest.raises(grpc.RpcError) as caught:
        await stub.ListJobs(pb.ListJobsRequest(kind=kind))
    assert "there are: image, video, live" in str(caught.value)
    listed = await stub.ListJobs(pb.ListJobsRequest(kind="video"))
    assert [job.id for job in listed.jobs] == ["a"]


@pytest.mark.parametrize(
    ("url", "detail"),
    [("https://tv.example/a.m3u8", "live sources are off"), ("", "live needs the URL")],
)
async def test_a_live_source_can_be_submitted_over_grpc(
    clients: Clients, url: str, detail: str
) -> None:
    _, stub = clients
    options = pb.VideoOptions(url=url, live=True)
    with pytest.raises(grpc.RpcError) as caught:
        await stub.SubmitVideo(iter([pb.SubmitVideoRequest(options=options)]))
    assert detail in str(caught.value)


async def test_a_request_without_upgrade_learns_of_the_websocket(clients: Clients) -> None:
    client, _ = clients
    response = await client.get("/v1/stream")
    assert response.status_code == 426
    assert response.headers["Upgrade"] == "websocket"
    assert response.json()["type"].endswith(":upgrade-required")


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("created_from=2026-01-01", "created_from: a time with its offset is expected: 2026-"),
        ("created_from=2026-01-01T00:00:00", "created_from: a time with its offset is expected"),
        ("created_from=2026-01-01T00:00:00+01:00", "created_from: a time with its offset is"),
        ("created_before=5", "created_before: a time with its offset is expected"),
        ("limit=many", "limit: a whole number is expected"),
        ("limit=0", "limit: at least 1 is expected"),
        ("limit=201", "limit: at most 200 is expected"),
        ("min_probability=x", "min_probability: a number is expected"),
        ("min_probability=nan", "min_probability: a finite number is expected"),
        ("max_probability=2", "max_probability: at most 1.0 is expected"),
        ("state=lost", "state: 'queued', 'running', 'succeeded', 'failed', 'dead' or 'cancelled' "),
        (f"q={'x' * 201}", "q: at most 200 characters are expected"),
    ],
)
async def test_an_error_in_a_query_says_what_is_expected(
    clients: Clients, query: str, detail: str
) -> None:
    client, _ = clients
    response = await client.get(f"/v1/jobs?{query}")
    assert response.status_code == 400
    assert response.json()["detail"].startswith(detail)
