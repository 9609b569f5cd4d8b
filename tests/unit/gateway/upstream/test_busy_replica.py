"""A replica that is too busy for its health checks stays healthy for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from deepfake_serving.gateway.upstream import replicas
from deepfake_serving.gateway.upstream.config import PoolSpec
from deepfake_serving.gateway.upstream.replicas import Replica


class Server:
    """A model server whose responses can be withheld."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()

    async def ready(self, _: web.Request) -> web.Response:
        await self.free.wait()
        return web.Response()

    async def models(self, _: web.Request) -> web.Response:
        return web.json_response({"models": []})


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, Replica, aiohttp.ClientSession]]:
    scripted, app = Server(), web.Application()
    app.router.add_get("/readyz", scripted.ready)
    app.router.add_get("/", scripted.models)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    replica = Replica(PoolSpec(name="a", url=f"http://127.0.0.1:{port}"), "127.0.0.1")
    async with aiohttp.ClientSession() as session:
        yield scripted, replica, session
    scripted.free.set()
    await runner.cleanup()


async def test_late_checks_count_only_while_nothing_is_in_flight(
    server: tuple[Server, Replica, aiohttp.ClientSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted, replica, session = server
    await replica.check(session)
    assert replica.healthy
    monkeypatch.setattr(replicas, "_TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    scripted.free.clear()
    with replica.track_request():
        for _ in range(replicas._MAX_LATE):
            await replica.check(session)
            assert replica.healthy, "it is busy"
        await replica.check(session)
        assert not replica.healthy, "it hangs"
    scripted.free.set()
    monkeypatch.setattr(replicas, "_TIMEOUT", aiohttp.ClientTimeout(total=30))
    await replica.check(session)
    assert replica.healthy
    monkeypatch.setattr(replicas, "_TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    scripted.free.clear()
    await replica.check(session)
    assert not replica.healthy, "nothing keeps it busy"
