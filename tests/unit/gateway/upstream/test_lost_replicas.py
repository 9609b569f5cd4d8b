"""Requests that are lost with their replicas: they may be what ends them."""

from __future__ import annotations

import asyncio

import pytest

from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.upstream.hedging import Hedging
from deepfake_serving.runtime.tasks import cancel
from tests.support.replicas import FakeReplica, Names, detect, die, hang, problem, serving, until


@pytest.mark.parametrize("hedged", [False, True])
@pytest.mark.parametrize("ended", ["replica", "worker"])
async def test_an_image_that_ends_replicas_reaches_two_of_them(
    names: Names, ended: str, hedged: bool
) -> None:
    replicas = [FakeReplica(f"127.0.0.{n}") for n in range(2, 6)]
    twice = problem(UpstreamUnavailable("the model's worker was lost twice on this request"))
    for replica in replicas:
        replica.predict = die if ended == "replica" else twice
    async with serving(({"name": "a"}, replicas), names=names) as upstream:
        upstream.hedging = Hedging(0.5, lambda *_: None) if hedged else None
        with pytest.raises(UpstreamUnavailable, match="lost"):
            await detect(upstream)
    assert sum(len(replica.requests) for replica in replicas) == 2


async def test_an_image_that_stalls_replicas_stays_at_the_second(names: Names) -> None:
    replicas = [FakeReplica(f"127.0.0.{n}") for n in range(2, 5)]
    for replica in replicas:
        replica.predict = hang
    async with serving(({"name": "a"}, replicas), names=names) as upstream:
        request = asyncio.create_task(detect(upstream))
        for count in (1, 2):
            await until(lambda count=count: len(_with_requests(replicas)) == count)
            for replica in _with_requests(replicas):
                replica.ready = False
        for replica in replicas:
            await replica.next_checks(3)
        assert len(_with_requests(replicas)) == 2
        await cancel([request])


def _with_requests(replicas: list[FakeReplica]) -> list[FakeReplica]:
    return [replica for replica in replicas if replica.requests]


async def test_replicas_that_accept_no_connection_cost_no_loss(names: Names) -> None:
    async with serving(({"name": "a"}, [FakeReplica("127.0.0.4")]), names=names) as upstream:
        (up,) = upstream.pools.all()
        names.addresses["a"] += ["127.0.0.2", "127.0.0.3"]
        await until(lambda: len(list(upstream.pools.all())) == 3)
        await until(lambda: all(replica.checked for replica in upstream.pools.all()))
        up.in_flight = 1  # the last choice
        for replica in upstream.pools.all():
            replica.healthy, replica.models = True, up.models
        assert (await detect(upstream))["by"] == "127.0.0.4"
