"""A stub of TorchServe: a small aiohttp server on a Unix socket with scripted responses.

It has only the routes that `torchserve.client` calls, with responses in the form of TorchServe
0.12.0. The integration tests use the real TorchServe.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from deepfake_serving.contracts.problems import MEDIA_TYPE, Problem
from deepfake_serving.model_server.torchserve.client import Upstream
from deepfake_serving.model_server.torchserve.tokens import Tokens
from model_handlers.wire import BATCH_HEADER

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A received request."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def good(document: Any, batch: Any = None) -> Reply:
    """Returns the response of a handler; `batch` is the batch header of a first response."""
    return _handlers(200, "application/json", document, batch)


def bad(problem: Problem, batch: Any = None) -> Reply:
    """Returns a problem of a handler."""
    return _handlers(problem.status, MEDIA_TYPE, problem.to_dict("some-id"), batch)


def _handlers(status: int, content_type: str, document: Any, batch: Any) -> Reply:
    async def reply(_: web.Request) -> web.Response:
        headers = {BATCH_HEADER: orjson.dumps(batch).decode()} if batch is not None else {}
        body = orjson.dumps(document)
        return web.Response(status=status, body=body, content_type=content_type, headers=headers)

    return reply


def own(status: int, message: str) -> Reply:
    """Returns a response of TorchServe itself."""

    async def reply(_: web.Request) -> web.Response:
        document = {"code": status, "type": "InternalServerException", "message": message}
        return web.json_response(document, status=status)

    return reply


def raw(status: int, body: bytes, content_type: str) -> Reply:
    async def reply(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={"Content-Type": content_type})

    return reply


def later(seconds: float, reply: Reply) -> Reply:
    async def wait(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await reply(request)

    return wait


def after(event: asyncio.Event, reply: Reply) -> Reply:
    async def wait(request: web.Request) -> web.StreamResponse:
        await event.wait()
        return await reply(request)

    return wait


async def hang_up(request: web.Request) -> web.Response:
    """Closes the connection before the response."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    """Closes the connection within the response."""
    response = web.StreamResponse(headers={"Content-Length": "100"})
    response.content_type = "application/json"
    await response.prepare(request)
    await response.write(b'{"verdict": "re')
    assert request.transport is not None
    request.transport.abort()
    return response


TOKENS = Tokens("to-predict", "to-manage")


class StubTorchServe:
    """Sends the next of `responses`, and `otherwise` when none is left."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.responses: deque[Reply] = deque()
        self.otherwise: Reply = own(500, "no scripted response")
        self.requests: list[RecordedRequest] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        recorded = RecordedRequest(request.path, dict(request.query), dict(request.headers), body)
        self.requests.append(recorded)
        return await (self.responses.popleft() if self.responses else self.otherwise)(request)


@asynccontextmanager
async def torchserve() -> AsyncIterator[tuple[StubTorchServe, Upstream]]:
    """Starts a stub and a client of it; inference and management share a socket."""
    with tempfile.TemporaryDirectory(
        prefix="stub-"
    ) as folder:  # short, because socket paths are limited
        path = Path(folder) / "ts.sock"
        stub = StubTorchServe(f"unix:{path}")
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", stub.handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(path), backlog=1024).start()
        upstream = Upstream(stub.address, stub.address, TOKENS)
        try:
            yield stub, upstream
        finally:
            await upstream.close()
            await runner.cleanup()
