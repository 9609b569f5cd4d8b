"""Connections whose clients send no head, or read no response, are closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from deepfake_serving.gateway.http.connections import ConnectionTable
from deepfake_serving.gateway.http.protocol import LimitedHeadProtocol

CHUNK = bytes(2**16)


class App:
    """Responds to /endless with chunks for as long as they are sent, else with an empty body."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while scope["path"] == "/endless" and not await self._left(receive):
                await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self.ended.set()

    async def _left(self, receive: Receive) -> bool:
        try:
            async with asyncio.timeout(0):
                return (await receive())["type"] == "http.disconnect"
        except TimeoutError:
            return False


STALL_TIMEOUT_S = 1.5


@pytest.fixture
async def served() -> AsyncIterator[tuple[App, int]]:
    app = App()
    protocol = partial(
        LimitedHeadProtocol, table=ConnectionTable(4), stall_timeout_s=STALL_TIMEOUT_S
    )
    config = uvicorn.Config(app, port=0, http=cast(Any, protocol), lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield app, server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await server.shutdown()


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "])
async def test_a_connection_without_a_whole_head_is_closed(
    head: bytes, served: tuple[App, int]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served[1])
    writer.write(head)
    async with asyncio.timeout(30):
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    writer.close()


async def test_a_second_head_has_its_own_time(served: tuple[App, int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served[1])
    for _ in range(6):  # longer than the timeout in all, and far shorter each
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n")
        await asyncio.sleep(STALL_TIMEOUT_S / 5)
        writer.write(b"\r\n")
        async with asyncio.timeout(30):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            await reader.readuntil(b"0\r\n\r\n")
    writer.write(b"GET / HTTP/1.1\r\n")
    async with asyncio.timeout(30):
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    writer.close()


async def test_a_client_that_reads_no_response_is_dropped(served: tuple[App, int]) -> None:
    app, port = served
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(60):
        await app.ended.wait()
    writer.close()


@pytest.mark.parametrize("rest", [b"1\r\na\r\n", b"0\r\n\r\n", b"0\r\n\r\n\r\n"])
async def test_a_connection_is_closed_that_goes_on_after_a_response(
    rest: bytes, served: tuple[App, int]
) -> None:
    """With a body that the handler did not read, its end, or an empty line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served[1])
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    async with asyncio.timeout(30):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(rest)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    writer.close()


async def test_a_body_without_an_end_after_a_response_is_cut_off(served: tuple[App, int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served[1])
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    async with asyncio.timeout(30):
        await reader.readuntil(b"0\r\n\r\n")
        with pytest.raises(ConnectionError):
            await _send_for_ever(writer)
    writer.close()


async def _send_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"1\r\na\r\n")
        await writer.drain()
        await asyncio.sleep(STALL_TIMEOUT_S / 5)
