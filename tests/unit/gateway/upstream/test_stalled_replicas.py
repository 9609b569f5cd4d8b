"""Replicas that have lost their worker or TorchServe: they hold requests until it is back."""

from __future__ import annotations

import asyncio

from aiohttp import web

from tests.support.replicas import FakeReplica, Names, detect, hang, in_flight, serving, until

DEADLINE_S = 60.0


def held(replica: FakeReplica) -> asyncio.Event:
    """Makes a replica hold its requests until the event."""
    finish = asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        await finish.wait()
        return web.json_response({"by": replica.address})

    replica.predict = slow
    return finish


async def test_what_a_stalled_replica_holds_is_sent_to_another(names: Names) -> None:
    first, second = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        first.predict = hang
        requests = await in_flight(upstream, first, DEADLINE_S)
        first.ready = False
        assert {result["by"] for result in await asyncio.gather(*requests)} == {"127.0.0.3"}


async def test_a_replica_that_drains_finishes_what_is_in_flight(names: Names) -> None:
    first, second = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        finish = held(first)
        requests = await in_flight(upstream, first, DEADLINE_S)
        first.ready, first.phase = False, "draining"
        await until(lambda: [replica.healthy for replica in upstream.pools.all()] == [False, True])
        await first.next_checks(3)
        finish.set()
        results = await asyncio.gather(*requests)
        assert "127.0.0.2" in {result["by"] for result in results}
        assert len(first.requests) + len(second.requests) == len(requests)


async def test_the_only_replica_keeps_its_requests_until_its_worker_is_back(names: Names) -> None:
    only = FakeReplica("127.0.0.2")
    async with serving(({"name": "a"}, [only]), names=names) as upstream:
        finish = held(only)
        requests = await in_flight(upstream, only, DEADLINE_S)
        only.ready = False
        await until(lambda: [replica.healthy for replica in upstream.pools.all()] == [False])
        await only.next_checks(3)
        finish.set()
        assert {result["by"] for result in await asyncio.gather(*requests)} == {"127.0.0.2"}


async def test_a_stalled_replica_holds_requests_until_another_is_up(names: Names) -> None:
    first, second = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    second.ready = False
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        first.predict = hang
        requests = await in_flight(upstream, first, DEADLINE_S)
        first.ready = False
        await until(lambda: not any(replica.healthy for replica in upstream.pools.all()))
        second.ready = True
        assert {result["by"] for result in await asyncio.gather(*requests)} == {"127.0.0.3"}


async def test_a_stalled_replica_that_is_back_keeps_new_requests(names: Names) -> None:
    first, second = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        first.ready = False
        await until(lambda: [replica.healthy for replica in upstream.pools.all()] == [False, True])
        first.ready = True
        await until(lambda: all(replica.healthy for replica in upstream.pools.all()))
        results = [await detect(upstream) for _ in range(20)]
        assert {result["by"] for result in results} == {"127.0.0.2", "127.0.0.3"}
