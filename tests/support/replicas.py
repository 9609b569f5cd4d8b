"""Scripted replicas on different addresses (127.0.0.2 and on), as behind a headless Service.

tests/integration covers real model servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.gateway.upstream.config import PoolSpec, Routing
from deepfake_serving.gateway.upstream.pools import Pools

Predict = Callable[[web.Request], Awaitable[web.Response]]


class FakeReplica:
    """A scripted model server."""

    def __init__(self, address: str, models: tuple[str, ...] = ("detector",)) -> None:
        self.address, self.models, self.ready = address, models, True
        self.phase = "serving"
        """The phase that it names while it is not ready."""
        self.hangs = False
        """Whether its health checks get no response."""
        self.described: dict[str, Any] = {}
        """Thresholds and card of its models, as its metadata names them."""
        self.requests: list[dict[str, str]] = []
        self.checks = 0
        self.routes: list[web.RouteDef] = []
        """Routes besides those of predictions."""
        self.predict: Predict = self._verdict

    def reference(self, model: str) -> dict[str, Any]:
        """Returns the entry of a model in the metadata."""
        digest = f"sha256:{self.address}"
        entry = {"name": model, "version": "1.0", "digest": digest, "trained": True}
        return entry | self.described

    async def _verdict(self, request: web.Request) -> web.Response:
        body = await request.read()
        return web.json_response({"by": self.address, "bytes": len(body)})

    async def start(self, port: int) -> int:
        async def readyz(request: web.Request) -> web.Response:
            self.checks += 1
            if self.hangs:
                return await hang(request)
            document = {"phase": self.phase}
            return web.json_response(document, status=200 if self.ready else 503)

        async def index(_: web.Request) -> web.Response:
            return web.json_response({"models": [self.reference(name) for name in self.models]})

        async def predict(request: web.Request) -> web.Response:
            self.requests.append(dict(request.headers))
            return await self.predict(request)

        app = web.Application(client_max_size=2**24)
        app.router.add_get("/readyz", readyz)
        app.router.add_get("/", index)
        app.router.add_post("/predictions/{model}", predict)
        app.router.add_post("/v2/models/{model}/infer", predict)
        app.add_routes(self.routes)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, self.address, port)
        await site.start()
        return int(self.runner.addresses[0][1])

    async def stop(self) -> None:
        await self.runner.cleanup()

    async def next_checks(self, count: int) -> None:
        """Waits for further health checks. All but the last have had their effects by then."""
        last = self.checks + count
        await until(lambda: self.checks >= last)


class Names:
    """A stub of DNS, so that names can have several loopback addresses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.broken = False
        self._lookups = 0
        loop = asyncio.get_running_loop()

        async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            self._lookups += 1
            if self.broken:
                raise socket.gaierror(socket.EAI_AGAIN, "no response")
            if not self.addresses[host]:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [(0, 0, 0, "", (a, port)) for a in self.addresses[host]]

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)

    async def next_lookups(self, count: int) -> None:
        """Waits for further lookups. All but the last have had their effects by then."""
        last = self._lookups + count
        await until(lambda: self._lookups >= last)


@contextlib.asynccontextmanager
async def serving(
    *pools: tuple[dict[str, Any], list[FakeReplica]], names: Names
) -> AsyncIterator[Upstream]:
    """Starts pools of replicas; each pool's host is its name."""
    specs = []
    async with contextlib.AsyncExitStack() as stack:
        for given, members in pools:
            port = 0
            for member in members:
                port = await member.start(port)
                stack.push_async_callback(member.stop)
            names.addresses[given["name"]] = [member.address for member in members]
            specs.append(PoolSpec(url=f"http://{given['name']}:{port}", **given))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        monitored = Pools(Routing(pools=tuple(specs)), session)
        await stack.enter_async_context(monitored.monitor())
        yield Upstream(monitored)


def context(seconds: float = 60.0) -> RequestContext:
    return RequestContext("id-1", asyncio.get_running_loop().time() + seconds, None)


async def detect(upstream: Upstream, model: str = "detector", seconds: float = 60.0) -> Any:
    return orjson.loads(await upstream.detect_image(b"image", model, context(seconds)))


async def in_flight(
    upstream: Upstream, replica: FakeReplica, seconds: float
) -> list[asyncio.Task[Any]]:
    """Starts requests until one of them waits at the replica."""
    requests = []
    while not replica.requests:
        requests.append(asyncio.create_task(detect(upstream, seconds=seconds)))
        await asyncio.sleep(0.02)
    return requests


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def die(request: web.Request) -> web.Response:
    """Ends the connection, as a process does that is killed."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def problem(raised: Problem) -> Predict:
    """Responds with a problem."""

    async def respond(_: web.Request) -> web.Response:
        return web.json_response(raised.to_dict("x"), status=raised.status)

    return respond


async def hang(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError
