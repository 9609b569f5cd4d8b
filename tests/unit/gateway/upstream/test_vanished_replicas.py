"""Replicas whose host vanishes: no reset arrives, so nothing says that a request is lost.

A listener whose queue is full drops further connections, as a host without a network does.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest
import uvloop
from aiohttp import web

from deepfake_serving.gateway.upstream import replicas
from tests.support.replicas import FakeReplica, Names, hang, in_flight, serving, until

DEADLINE_S = 60.0
"""Far above the seconds that it takes to notice, so that a request that waits for it fails."""


class VanishingReplica(FakeReplica):
    """A replica that takes connections until it vanishes, or refuses them."""

    vanished = False

    async def start(self, port: int) -> int:
        self.listener = socket.create_server((self.address, port), backlog=0)
        self.listener.setblocking(False)
        self.server = web.Server(self._respond)
        self.accepting = asyncio.create_task(self._accept())
        self.fillers: list[socket.socket] = []
        return int(self.listener.getsockname()[1])

    async def stop(self) -> None:
        self.accepting.cancel()
        for each in (self.listener, *self.fillers):
            each.close()
        await self.server.shutdown(0.1)

    def refuse(self) -> None:
        """Closes the listener; open connections continue."""
        self.accepting.cancel()
        self.listener.close()

    def vanish(self) -> None:
        """Drops new connections, and responds to nothing on open ones."""
        self.vanished = True
        self.accepting.cancel()
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(self.listener.getsockname())
            self.fillers.append(filler)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self.listener)
            await loop.connect_accepted_socket(self.server, connection)

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.vanished:
            await asyncio.Event().wait()
        if request.path == "/readyz":
            return web.json_response({})
        if request.path == "/":
            return web.json_response({"models": [self.reference(name) for name in self.models]})
        self.requests.append(dict(request.headers))
        response = asyncio.create_task(self.predict(request))  # type: ignore[arg-type]
        while not response.done() and not self.vanished:
            await asyncio.sleep(0.01)
        return await response if response.done() else await asyncio.Event().wait()  # type: ignore[return-value]


async def test_what_is_in_flight_at_a_vanished_replica_is_sent_to_another(names: Names) -> None:
    first, second = VanishingReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        first.predict = hang
        requests = await in_flight(upstream, first, DEADLINE_S)
        first.vanish()
        assert {result["by"] for result in await asyncio.gather(*requests)} == {"127.0.0.3"}
        assert [replica.healthy for replica in upstream.pools.all()] == [False, True]


async def test_a_vanished_replica_that_has_left_dns_keeps_no_request(names: Names) -> None:
    first, second = VanishingReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        first.predict = hang
        requests = await in_flight(upstream, first, DEADLINE_S)
        names.addresses["a"] = ["127.0.0.3"]
        await until(lambda: [r.address for r in upstream.pools.all()] == ["127.0.0.3"])
        first.vanish()
        assert {result["by"] for result in await asyncio.gather(*requests)} == {"127.0.0.3"}


async def test_a_replica_that_stops_finishes_what_is_in_flight(names: Names) -> None:
    """It leaves DNS and refuses connections, as on a rolling update."""
    first, second = VanishingReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        finish = asyncio.Event()

        async def slow(_: web.Request) -> web.Response:
            await finish.wait()
            return web.json_response({"by": "127.0.0.2"})

        first.predict = slow
        requests = await in_flight(upstream, first, DEADLINE_S)
        names.addresses["a"] = ["127.0.0.3"]
        await until(lambda: [r.address for r in upstream.pools.all()] == ["127.0.0.3"])
        first.refuse()
        await asyncio.sleep(0.3)  # several checks
        finish.set()
        results = await asyncio.gather(*requests)
        assert "127.0.0.2" in {result["by"] for result in results}
        assert len(first.requests) + len(second.requests) == len(requests)


async def test_a_gateway_without_processor_time_gives_up_no_replica(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is late itself to see that the host has responded, as on a node with too much to do."""
    monkeypatch.setattr(replicas, "_CONNECT_TIMEOUT_S", 0.01)
    replica = FakeReplica("127.0.0.2")
    async with serving(({"name": "a"}, [replica]), names=names) as upstream:
        finish = asyncio.Event()

        async def slow(_: web.Request) -> web.Response:
            await finish.wait()
            return web.json_response({"by": "127.0.0.2"})

        replica.predict = slow
        requests = await in_flight(upstream, replica, DEADLINE_S)
        for _ in range(30):
            time.sleep(0.03)  # noqa: ASYNC251
            await asyncio.sleep(0)
        finish.set()
        await asyncio.gather(*requests)
        assert len(replica.requests) == len(requests)


def test_a_late_gateway_sees_on_its_own_loop_that_a_host_responds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """uvloop looks even numeric addresses up in threads, unless it is not asked to connect."""
    monkeypatch.setattr(replicas, "_CONNECT_TIMEOUT_S", 0.01)

    async def connects(port: int) -> bool:
        connecting = asyncio.create_task(replicas._connects("127.0.0.1", port))
        while not connecting.done():
            time.sleep(0.03)  # noqa: ASYNC251
            await asyncio.sleep(0)
        return await connecting

    with socket.create_server(("127.0.0.1", 0)) as server:
        assert uvloop.run(connects(server.getsockname()[1]))


async def test_a_replica_that_has_left_dns_is_checked_until_its_requests_end(names: Names) -> None:
    first, second = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        finish = asyncio.Event()

        async def slow(_: web.Request) -> web.Response:
            await finish.wait()
            return web.json_response({"by": "127.0.0.2"})

        first.predict = slow
        requests = await in_flight(upstream, first, DEADLINE_S)
        names.addresses["a"] = ["127.0.0.3"]
        await until(lambda: [r.address for r in upstream.pools.all()] == ["127.0.0.3"])
        await first.next_checks(2)
        finish.set()
        await asyncio.gather(*requests)
        await second.next_checks(2)
        checks = first.checks
        await second.next_checks(3)
        assert first.checks == checks
