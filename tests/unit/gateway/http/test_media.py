"""Downloads of a job's media: resumed, repeated, and of a file that the client has."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from deepfake_serving.contracts.jobs import Job, Source
from tests.support.listening_gateway import listening_gateway
from tests.support.running import GUARD_S

TAG = '"sha256:abc"'
PATH = "/v1/jobs/a/media"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The client of a gateway that has a job with a file of ten bytes."""
    async with listening_gateway(tmp_path) as (gateway, ports):
        source = Source("a.mp4", "jobs/a/media", digest="sha256:abc")
        await gateway.jobs.store.submit(Job("a", "video", "queued", source, {}, time.time()))
        await gateway.jobs.objects.put("jobs/a/media", b"0123456789")
        url = f"http://127.0.0.1:{ports['http']}"
        async with httpx.AsyncClient(base_url=url, timeout=GUARD_S) as client:
            yield client


@pytest.mark.parametrize("condition", [{}, {"If-Range": TAG}])
async def test_a_download_is_resumed(client: httpx.AsyncClient, condition: dict[str, str]) -> None:
    response = await client.get(PATH, headers={"Range": "bytes=7-"} | condition)
    assert (response.status_code, response.text) == (206, "789")
    assert response.headers["Content-Range"] == "bytes 7-9/10"
    assert response.headers["ETag"] == TAG


async def test_a_download_of_another_file_is_not_continued(client: httpx.AsyncClient) -> None:
    response = await client.get(PATH, headers={"Range": "bytes=7-", "If-Range": '"other"'})
    assert (response.status_code, response.text) == (200, "0123456789")


async def test_a_finished_download_has_no_more_bytes(client: httpx.AsyncClient) -> None:
    response = await client.get(PATH, headers={"Range": "bytes=10-"})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == "bytes */10"
    assert response.json()["type"].endswith(":unsatisfiable-range")


@pytest.mark.parametrize("tags", [TAG, f'"x", W/{TAG}', "*"])
async def test_a_copy_is_not_sent_again(client: httpx.AsyncClient, tags: str) -> None:
    response = await client.get(PATH, headers={"If-None-Match": tags})
    assert (response.status_code, response.content) == (304, b"")
    assert (await client.get(PATH, headers={"If-None-Match": '"x"'})).status_code == 200
