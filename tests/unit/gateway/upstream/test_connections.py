"""Connections to model servers that notice a vanished peer."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from deepfake_serving.gateway.upstream.connections import connector, lost


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such option")
async def test_a_connection_has_keepalive_and_a_limit_of_what_is_unacknowledged() -> None:
    runner = web.ServerRunner(web.Server(_unfinished))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with (
        aiohttp.ClientSession(connector=connector()) as session,
        session.get(f"http://127.0.0.1:{port}/") as response,
    ):
        assert response.connection is not None
        assert response.connection.transport is not None
        opened = response.connection.transport.get_extra_info("socket")
        options = {
            name: opened.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        }
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    await runner.cleanup()
    assert options["TCP_USER_TIMEOUT"] == 8000
    longest_s = options["TCP_KEEPIDLE"] + options["TCP_KEEPINTVL"] * options["TCP_KEEPCNT"]
    assert longest_s <= 8


async def _unfinished(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1"})
    await response.prepare(request)
    return response


async def test_clients_learn_no_address_of_a_lost_replica() -> None:
    async with aiohttp.ClientSession(connector=connector()) as session:
        with pytest.raises(aiohttp.ClientError) as caught:
            await session.get("http://127.0.0.1:9/")
    with capture_logs() as logs:
        problem = lost("http://127.0.0.1:9", caught.value)
    assert problem.detail == "a model server was lost: Connection refused"
    assert "127.0.0.1" in logs[0]["reason"]
    assert "lost: ServerDisconnectedError" in lost("", aiohttp.ServerDisconnectedError()).detail
