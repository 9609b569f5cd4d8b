"""Images that a stalled replica delays are sent to another one, within a budget."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from deepfake_serving.contracts.problems import UndecodableMedia
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.gateway.upstream.hedging import Hedging
from tests.support.replicas import FakeReplica, Names, detect, hang, serving, until

DEADLINE_S = 60.0
"""Far above the delay of a hedge, so that a request that waits for it fails."""


class Hedges(list[tuple[str, bool]]):
    """The hedges of a test: their pools, and whether the second replica responded first."""

    def on(self, upstream: Upstream, share: float = 0.1, *, known: int = 100) -> Hedging:
        """Switches hedging on, after as many requests of a millisecond."""
        upstream.hedging = Hedging(share, lambda pool, won: self.append((pool, won)))
        for _ in range(known):
            upstream.hedging.delay_s("detector")
            upstream.hedging.observe("detector", 0.001)
        return upstream.hedging


async def test_the_other_replica_responds_for_one_that_stalls(names: Names) -> None:
    first, second = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        hedges = Hedges()
        hedges.on(upstream)
        first.predict = hang
        while not first.requests:
            result = await detect(upstream, seconds=DEADLINE_S)
            assert result["by"] == "127.0.0.3"
        assert ("a", True) in hedges
        await until(lambda: all(not replica.in_flight for replica in upstream.pools.all()))
        assert all(replica.healthy for replica in upstream.pools.all())


async def test_the_first_replica_may_still_win(names: Names) -> None:
    first, second = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        hedges = Hedges()
        hedges.on(upstream)

        def respond_if_other_has_it(own: FakeReplica, other: FakeReplica) -> Any:
            async def predict(request: web.Request) -> web.Response:
                if other.requests:
                    return await hang(request)
                while not other.requests:
                    await asyncio.sleep(0.01)
                return web.json_response({"by": own.address})

            return predict

        first.predict = respond_if_other_has_it(first, second)
        second.predict = respond_if_other_has_it(second, first)
        await detect(upstream, seconds=DEADLINE_S)
        assert len(first.requests) == len(second.requests) == 1
        assert hedges == [("a", False)]


async def test_a_problem_of_the_image_is_final(names: Names) -> None:
    first, second = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        Hedges().on(upstream)
        arrived: list[web.Request] = []

        async def predict(request: web.Request) -> web.Response:
            arrived.append(request)
            if len(arrived) == 1:
                return await hang(request)
            problem = UndecodableMedia("no image").to_dict()
            return web.json_response(problem, status=422)

        first.predict = second.predict = predict
        with pytest.raises(UndecodableMedia):
            await detect(upstream, seconds=DEADLINE_S)
        assert len(arrived) == 2


async def test_no_more_than_the_share_is_sent_twice(names: Names) -> None:
    first, second = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        hedges = Hedges()
        hedging = hedges.on(upstream, share=0.02)
        while hedging.spend():  # the reserve
            pass

        async def slow(_: web.Request) -> web.Response:
            await asyncio.sleep(0.02)
            return web.json_response({})

        first.predict = second.predict = slow
        for _ in range(5):
            await asyncio.gather(*(detect(upstream, seconds=DEADLINE_S) for _ in range(20)))
        assert len(hedges) <= 3
        assert len(first.requests) + len(second.requests) == 100 + len(hedges)


@pytest.mark.parametrize("known", [0, 99])
async def test_nothing_is_hedged_before_durations_are_known(names: Names, known: int) -> None:
    hedging = Hedging(0.1, lambda *_: None)
    for _ in range(known):
        hedging.observe("detector", 0.001)
    assert hedging.delay_s("detector") is None


def test_the_delay_is_the_quantile_of_the_share() -> None:
    hedging = Hedging(0.05, lambda *_: None)
    for n in range(1000):
        hedging.observe("detector", n / 1000)
    assert hedging.delay_s("detector") == pytest.approx(0.95, abs=0.02)
    assert hedging.delay_s("other") is None


async def test_a_single_replica_gets_each_image_once(names: Names) -> None:
    only = FakeReplica("127.0.0.2")
    async with serving(({"name": "a"}, [only]), names=names) as upstream:
        hedges = Hedges()
        hedges.on(upstream)

        async def slow(_: web.Request) -> web.Response:
            await asyncio.sleep(0.1)
            return web.json_response({"by": "127.0.0.2"})

        only.predict = slow
        await detect(upstream, seconds=DEADLINE_S)
        assert (len(only.requests), hedges) == (1, [])
