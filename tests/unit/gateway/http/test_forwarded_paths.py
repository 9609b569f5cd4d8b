"""Paths of the Open Inference Protocol arrive at the model server as the client encoded them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.listening_gateway import listening_gateway
from tests.support.replicas import FakeReplica
from tests.support.running import GUARD_S


@pytest.fixture
async def seen() -> list[str]:
    return []


@pytest.fixture
async def port(tmp_path: Path, seen: list[str]) -> AsyncIterator[int]:
    """The port of a gateway, in front of a model server that keeps the paths of requests."""

    async def record(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        return web.json_response({"model_stats": []})

    replica = FakeReplica("127.0.0.1")
    replica.routes.append(web.get("/v2/{rest:.*}", record))
    pool = {"name": "a", "url": f"http://127.0.0.1:{await replica.start(0)}"}
    routing = json.dumps({"pools": [pool]})
    async with listening_gateway(tmp_path, routing=routing) as (gateway, ports):
        assert gateway.upstream.pools.up()
        yield ports["http"]
    await replica.stop()


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/detector/versions/1%3F/ready",
        "/v2/models/detector/versions/1%23",
        "/v2/models/detector/versions/1%252Fready/config",
        "/v2/models/detector/versions/%C3%A9%20/ready",
        "/v2/models/detector/versions/../ready",
        "/v2/models/detector/versions/1%253F/stats",
    ],
)
async def test_names_are_encoded_as_they_were(port: int, seen: list[str], path: str) -> None:
    with socket.create_connection(("127.0.0.1", port), GUARD_S) as connection:
        connection.setblocking(False)
        await send(connection, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert seen == [path]


async def send(connection: socket.socket, request: bytes) -> None:
    """Sends a request as it is; HTTP clients would change its path."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, request)
    await loop.sock_recv(connection, 2**16)
