"""WebSockets that are refused before their handshake get the problem, as ordinary requests do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.listening_gateway import listening_gateway
from tests.support.running import GUARD_S


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    async with listening_gateway(tmp_path) as (_, ports):
        yield f"ws://127.0.0.1:{ports['http']}"


async def test_a_refusal_is_no_defect(url: str, caplog: pytest.LogCaptureFixture) -> None:
    await refusal(f"{url}/v1/streams")
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == []


async def refusal(url: str, **headers: str) -> dict[str, Any]:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, additional_headers=headers, proxy=None, open_timeout=GUARD_S):
            pass
    response = caught.value.response
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(response.body or b"")
    assert document["status"] == response.status_code
    assert document["id"] == response.headers["X-Request-ID"]
    return document


@pytest.mark.parametrize("path", ["/v1/streams", "/", "/v1/jobs", "/console/a", "/docs/assets/a"])
async def test_a_path_without_a_websocket_is_not_found(url: str, path: str) -> None:
    document = await refusal(url + path)
    assert document["status"] == 404
    assert document["detail"] == f"there is no WebSocket at {path}; /v1/stream is one"


async def test_a_page_of_another_origin_is_forbidden(url: str) -> None:
    document = await refusal(f"{url}/v1/stream", Origin="https://evil.example")
    assert document["type"].endswith(":forbidden")


async def test_two_hosts_are_an_invalid_request(url: str) -> None:
    document = await refusal(f"{url}/v1/stream", Host="other.example")
    assert document["detail"] == "a request has one Host header"


async def test_a_slash_at_the_end_is_ignored(url: str) -> None:
    async with connect(f"{url}/v1/stream/", proxy=None, open_timeout=GUARD_S) as socket:
        problem = json.loads(await socket.recv())["problem"]
    assert problem["detail"] == "no model server with a detector is up"
