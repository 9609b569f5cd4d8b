"""Resumable uploads that are submitted: with idempotency keys, repeatedly, at two gateways."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from deepfake_serving.gateway.storage.objects import Objects
from tests.support.listening_gateway import listening_gateway
from tests.support.running import GUARD_S

FILM = os.urandom(300_000)
KEY = {"Idempotency-Key": "order-42"}
_ROUTING = '{"pools": [{"name": "a", "url": "http://127.0.0.1:1", "models": ["detector"]}]}'

Clients = list[httpx.AsyncClient]


@pytest.fixture
async def clients(store_url: str, tmp_path: Path) -> AsyncIterator[Clients]:
    """Clients of two gateways that share their stores."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            opening = listening_gateway(tmp_path, jobs=store_url, routing=_ROUTING)
            _, ports = await stack.enter_async_context(opening)
            url = f"http://127.0.0.1:{ports['http']}"
            client = httpx.AsyncClient(base_url=url, timeout=GUARD_S)
            found.append(await stack.enter_async_context(client))
        yield found


async def upload(client: httpx.AsyncClient, film: bytes = FILM) -> str:
    headers = {"Upload-Length": str(len(film)), "Content-Type": "application/offset+octet-stream"}
    created = await client.post("/v1/uploads", headers=headers, content=film)
    assert created.json()["offset"] == len(film)
    return str(created.json()["id"])


async def submit(
    client: httpx.AsyncClient, upload_id: str, headers: dict[str, str] = KEY, **options: str
) -> httpx.Response:
    document = {"upload": upload_id}
    return await client.post("/v1/videos", json=document, headers=headers, params=options)


def job_of(response: httpx.Response) -> str:
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


async def test_a_key_stands_for_the_file_however_it_is_sent(clients: Clients) -> None:
    one, two = clients
    first, second = await upload(one), await upload(two)
    job = job_of(await submit(one, first))
    for client in clients:
        assert job_of(await submit(two, second)) == job
        assert job_of(await submit(client, first)) == job
        assert job_of(await client.post("/v1/videos", content=FILM, headers=KEY)) == job
    assert len((await one.get("/v1/jobs")).json()["jobs"]) == 1
    for gone in (first, second):
        assert (await one.get(f"/v1/uploads/{gone}")).status_code == 404
    other = await submit(one, await upload(one, FILM[1:]))
    assert other.status_code == 409
    assert "used with another request" in other.json()["detail"]
    other = await submit(two, first, shots="false")
    assert other.status_code == 409
    assert other.json()["detail"] == "the upload became a job with other options"


@pytest.mark.parametrize("key", ["order", None])
async def test_an_upload_that_gateways_submit_at_once_is_one_job(
    clients: Clients, tmp_path: Path, key: str | None
) -> None:
    async def submit_later(
        client: httpx.AsyncClient, upload_id: str, headers: dict[str, str], pause_s: float
    ) -> str:
        await asyncio.sleep(pause_s)
        return job_of(await submit(client, upload_id, headers))

    for n in range(10):
        upload_id = await upload(clients[0], FILM + bytes([n]))
        headers = {"Idempotency-Key": f"{key}-{n}"} if key else {}
        pauses = (0, n * 0.003)
        jobs = await asyncio.gather(
            *(
                submit_later(client, upload_id, headers, pause_s)
                for client, pause_s in zip(clients, pauses, strict=True)
            )
        )
        assert len(set(jobs)) == 1
    media = await Objects.open(f"file://{tmp_path}/objects").list("jobs")
    assert len(media) == 10
