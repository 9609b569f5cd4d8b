"""Too many connections: the one that has been idle for the longest is closed, and it is logged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from deepfake_serving.gateway.http import connections
from deepfake_serving.gateway.http.connections import ConnectionTable
from deepfake_serving.gateway.http.protocol import LimitedHeadProtocol

LIMIT = 3
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
writers: list[asyncio.StreamWriter] = []


class App:
    """Responds at once, or to /slow when `go` is set."""

    def __init__(self) -> None:
        self.go, self.slow = asyncio.Event(), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            self.slow += 1
            await self.go.wait()
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def served() -> AsyncIterator[tuple[App, int]]:
    app, table = App(), ConnectionTable(LIMIT)
    protocol = partial(LimitedHeadProtocol, table=table)
    config = uvicorn.Config(app, port=0, http=cast(Any, protocol), lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield app, server.servers[0].sockets[0].getsockname()[1]
    app.go.set()
    for writer in writers:
        writer.close()
    writers.clear()
    server.should_exit = True
    await server.shutdown()


async def connected(port: int, request: bytes = b"") -> Streams:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writers.append(writer)
    writer.write(request)
    if request == GET:
        await responded(reader)
    return reader, writer


async def responded(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(30):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def closed(reader: asyncio.StreamReader) -> bool:
    """Returns whether the server closes the connection; only called where that is expected."""
    async with asyncio.timeout(30):
        try:
            return await reader.read(1) == b""
        except ConnectionResetError:
            return True


async def test_the_oldest_idle_connection_is_closed(served: tuple[App, int]) -> None:
    app, port = served
    busy = await connected(port, GET.replace(b"/ ", b"/slow "))
    while not app.slow:
        await asyncio.sleep(0.01)
    second, third = await connected(port, GET), await connected(port, GET)
    second[1].write(GET)  # now the third has been idle for longer
    await responded(second[0])
    with capture_logs() as logs:
        newest = await connected(port, GET)
        assert await closed(third[0])
    assert [(each["event"], each["open"]) for each in logs] == [("too many connections", LIMIT + 1)]
    app.go.set()
    for reader, writer in (busy, second, newest):
        if reader is not busy[0]:
            writer.write(GET)
        await responded(reader)


async def test_a_new_connection_is_refused_while_all_are_busy(served: tuple[App, int]) -> None:
    app, port = served
    busy = [await connected(port, GET.replace(b"/ ", b"/slow ")) for _ in range(LIMIT)]
    while app.slow < LIMIT:
        await asyncio.sleep(0.01)
    with capture_logs() as logs:
        reader, _ = await connected(port)
        assert await closed(reader)
    assert [each["event"] for each in logs] == ["too many connections: new ones refused"]
    app.go.set()
    for reader, _ in busy:
        await responded(reader)
    await connected(port, GET)


async def test_files_that_run_out_count_as_too_many_connections(
    served: tuple[App, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, port = served
    idle = await connected(port, GET)
    monkeypatch.setattr(connections, "_max_files", lambda: 64)
    with capture_logs() as logs:
        await connected(port, GET)
        assert await closed(idle[0])
    assert [(each["event"], each["files"]) for each in logs] == [("too many connections", 64)]
