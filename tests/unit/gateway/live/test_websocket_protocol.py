"""WebSockets of clients that send what nobody reads, or read nothing, hold no memory or handler."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from deepfake_serving.gateway.http.connections import ConnectionTable
from deepfake_serving.gateway.http.protocol import LimitedHeadProtocol
from deepfake_serving.gateway.live.websocket_protocol import (
    MAX_AFTER_END_BYTES,
    LimitedWebSocketProtocol,
)

FRAME_BYTES = 32 * 2**20
HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
HEAD = b"\x82" + bytes([0x80 | 127]) + struct.pack("!Q", FRAME_BYTES) + bytes(4)
"""The head of a masked binary frame (RFC 6455, section 5.2)."""


class App:
    """Refuses /refused at once, keeps /silent waiting, and sends to /endless without an end."""

    def __init__(self) -> None:
        self.ended, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            while scope["path"] == "/endless":
                await send({"type": "websocket.send", "bytes": bytes(2**16)})
            if scope["path"] == "/silent":
                await self.go_on.wait()
            await send({"type": "websocket.close", "code": 1008})
        finally:
            self.ended.set()


@pytest.fixture
async def served() -> AsyncIterator[tuple[App, int]]:
    app = App()
    config = uvicorn.Config(
        app,
        port=0,
        http=cast(Any, partial(LimitedHeadProtocol, table=ConnectionTable(4))),
        ws=cast(Any, partial(LimitedWebSocketProtocol, stall_timeout_s=1.0)),
        ws_max_size=FRAME_BYTES + 1,
        lifespan="off",
        log_config=None,
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield app, server.servers[0].sockets[0].getsockname()[1]
    app.go_on.set()
    server.should_exit = True
    await server.shutdown()


async def opened(port: int, path: bytes) -> socket.socket:
    """Opens a WebSocket, and reads no more than the head of the response."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", port))
    await loop.sock_sendall(connection, HANDSHAKE % path)
    assert (await loop.sock_recv(connection, 12)) == b"HTTP/1.1 101"
    return connection


async def send_frame(connection: socket.socket) -> int:
    """Sends a long frame until nobody reads it any more; returns how many bytes were taken."""
    loop, count = asyncio.get_running_loop(), 0
    try:
        await loop.sock_sendall(connection, HEAD)
        while count < FRAME_BYTES - 2**16:
            async with asyncio.timeout(2):
                await loop.sock_sendall(connection, os.urandom(2**16))
            count += 2**16
    except (ConnectionError, TimeoutError):
        pass
    return count


BUFFERS = 8 * 2**20
"""Bytes of a connection that the kernel may hold on both sides."""


@pytest.mark.parametrize("path", [b"/refused", b"/silent"])
async def test_a_frame_that_no_handler_waits_for_is_not_read(
    path: bytes, served: tuple[App, int]
) -> None:
    """A refused client has no key; another's is still checked."""
    connection = await opened(served[1], path)
    assert await send_frame(connection) < MAX_AFTER_END_BYTES + BUFFERS
    connection.close()


async def test_a_client_that_reads_nothing_is_dropped(served: tuple[App, int]) -> None:
    app, port = served
    connection = await opened(port, b"/endless")
    async with asyncio.timeout(60):
        await app.ended.wait()
    connection.close()
