"""Responses that a deletion or an outage interrupts: no defects, and clients see their end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.context import Gateway
from tests.support.listening_gateway import listening_gateway
from tests.support.running import GUARD_S

JOB = Job("a", "video", "queued", Source("a.mp4", "jobs/a/media"), {}, time.time())
MEDIA_BYTES = 256 * 2**20
"""More than sockets buffer."""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient]]:
    """A gateway with a job, and its client."""
    async with listening_gateway(tmp_path) as (gateway, ports):
        await gateway.jobs.store.submit(JOB)
        url = f"http://127.0.0.1:{ports['http']}"
        async with httpx.AsyncClient(base_url=url, timeout=GUARD_S) as client:
            yield gateway, client


def ends(logs: list[Any]) -> list[tuple[str, str | None]]:
    """Returns the routes and problems of requests; fails if there is a defect."""
    assert [each for each in logs if each["event"] == "defect"] == []
    return [(each["route"], each.get("problem")) for each in logs if each["event"] == "request"]


async def test_events_of_a_deleted_job_end(served: tuple[Gateway, httpx.AsyncClient]) -> None:
    gateway, client = served
    with capture_logs() as logs:
        async with client.stream("GET", "/v1/jobs/a/events") as response:
            events = response.aiter_text()
            assert "progress" in await anext(events)
            await gateway.jobs.store.delete("a")
            async for text in events:
                assert text.startswith(":"), "a heartbeat"
        assert (await client.get("/v1/jobs/a/events")).status_code == 404
    assert ends(logs) == [("/v1/jobs/{job_id}/events", "not-found")] * 2


async def test_events_end_with_the_job_store(
    served: tuple[Gateway, httpx.AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store fails on demand. Outages of Redis are tested with the store."""
    gateway, client = served

    async def fail(*_: object, **__: object) -> Job:
        raise UpstreamUnavailable("the job store cannot be reached")

    with capture_logs() as logs:
        async with client.stream("GET", "/v1/jobs/a/events") as response:
            events = response.aiter_text()
            assert "progress" in await anext(events)
            monkeypatch.setattr(gateway.jobs.store, "changed", fail)
            async for text in events:
                assert text.startswith(":"), "a heartbeat"
    assert ends(logs) == [("/v1/jobs/{job_id}/events", "upstream-unavailable")]


async def test_media_that_are_deleted_meanwhile_are_cut_short(
    served: tuple[Gateway, httpx.AsyncClient], tmp_path: Path
) -> None:
    _, client = served
    path = tmp_path / "objects/jobs/a/media"
    path.parent.mkdir(parents=True)
    path.touch()
    os.truncate(path, MEDIA_BYTES)
    with capture_logs() as logs:
        async with client.stream("GET", "/v1/jobs/a/media") as response:
            chunks = response.aiter_raw()
            await anext(chunks)
            path.unlink()
            with pytest.raises(httpx.RemoteProtocolError):
                async for _ in chunks:
                    pass
        async with asyncio.timeout(60):
            while not any(each["event"] == "request" for each in logs):
                await asyncio.sleep(0.01)
    assert ends(logs) == [("/v1/jobs/{job_id}/media", "not-found")]
