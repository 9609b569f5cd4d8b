"""Images that a stalled replica delays are sent to another one, within a budget."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from deepfake_serving.contracts.problems import UndecodableMedia
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.gateway.upstream.hedging import Hedging
from deepfake_serving.gateway.upstream.replicas import Replica
from tests.support.replicas import FakeReplica, Names, serving

Send = Callable[[Replica], Awaitable[Replica]]


class Hedges(list[tuple[str, bool]]):
    """The hedges of a test: their pools, and whether the second replica responded first."""

    def on(self, upstream: Upstream, share: float = 0.1, *, known: int = 100) -> Hedging:
        """Switches hedging on, after as many requests of a millisecond."""
        upstream.hedging = Hedging(share, lambda pool, won: self.append((pool, won)))
        for _ in range(known):
            upstream.hedging.delay_s("detector")
            upstream.hedging.observe("detector", 0.001)
        return upstream.hedging


class Sent(list[Replica]):
    """The replicas that got a request, in their order; each attempt calls its function."""

    def __init__(self, *attempts: Send) -> None:
        self.attempts = attempts

    async def __call__(self, replica: Replica) -> Replica:
        self.append(replica)
        return await self.attempts[(len(self) - 1) % len(self.attempts)](replica)


async def stall(_: Replica) -> Replica:
    await asyncio.Event().wait()
    raise AssertionError


async def respond(replica: Replica) -> Replica:
    return replica


async def send(upstream: Upstream, attempts: Send) -> Replica:
    return await upstream.retry("detector", "id-1", attempts, upstream.hedging)


@asynccontextmanager
async def two_replicas(names: Names) -> AsyncIterator[Upstream]:
    members = [FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")]
    async with serving(({"name": "a"}, members), names=names) as upstream:
        yield upstream


async def test_the_other_replica_responds_for_one_that_stalls(names: Names) -> None:
    async with two_replicas(names) as upstream:
        hedges, sent = Hedges(), Sent(stall, respond)
        hedges.on(upstream)
        result = await send(upstream, sent)
        assert [result] == sent[1:]
        assert sent[0] is not result
        assert hedges == [("a", True)]
        assert not any(replica.in_flight for replica in upstream.pools.all())
        assert all(replica.healthy for replica in upstream.pools.all())


async def test_the_first_replica_may_still_win(names: Names) -> None:
    async with two_replicas(names) as upstream:
        hedges = Hedges()
        hedges.on(upstream)
        hedged = asyncio.Event()

        async def respond_late(replica: Replica) -> Replica:
            await hedged.wait()
            return replica

        async def stall_hedge(replica: Replica) -> Replica:
            hedged.set()
            return await stall(replica)

        sent = Sent(respond_late, stall_hedge)
        assert await send(upstream, sent) is sent[0]
        assert len(set(sent)) == len(sent) == 2
        assert hedges == [("a", False)]


async def test_a_problem_of_the_image_is_final(names: Names) -> None:
    async with two_replicas(names) as upstream:
        Hedges().on(upstream)

        async def refuse(_: Replica) -> Replica:
            raise UndecodableMedia("no image")

        sent = Sent(stall, refuse)
        with pytest.raises(UndecodableMedia):
            await send(upstream, sent)
        assert len(sent) == 2


async def test_no_more_than_the_share_is_sent_twice(names: Names) -> None:
    async with two_replicas(names) as upstream:
        hedges = Hedges()
        hedging = hedges.on(upstream, share=0.02)
        while hedging.spend():  # the reserve
            pass

        async def respond_slowly(replica: Replica) -> Replica:
            await asyncio.sleep(0.02)
            return replica

        sent = Sent(respond_slowly)
        for _ in range(5):
            await asyncio.gather(*(send(upstream, sent) for _ in range(20)))
        assert len(hedges) <= 3
        assert len(sent) == 100 + len(hedges)


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
    async with serving(({"name": "a"}, [FakeReplica("127.0.0.2")]), names=names) as upstream:
        hedges = Hedges()
        hedges.on(upstream)

        async def respond_slowly(replica: Replica) -> Replica:
            await asyncio.sleep(0.1)
            return replica

        sent = Sent(respond_slowly)
        await send(upstream, sent)
        assert (len(sent), hedges) == (1, [])


def test_the_budget_of_quiet_times_is_ten_requests() -> None:
    hedging = Hedging(0.5, lambda *_: None)
    for _ in range(100):
        hedging.delay_s("detector")
    assert [hedging.spend() for _ in range(11)] == [True] * 10 + [False]
