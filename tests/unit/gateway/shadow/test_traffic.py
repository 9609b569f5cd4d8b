"""Copies of requests: compared with the verdicts served, dropped when too many, harmless always."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from deepfake_serving.contracts.problems import UnknownModel
from deepfake_serving.gateway.shadow.metrics import ShadowMetrics
from deepfake_serving.gateway.shadow.traffic import ShadowTraffic
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.gateway.upstream.config import Routing
from tests.support.replicas import FakeReplica, Names, Predict, detect, hang, serving, until

REAL = {"verdict": "real", "fake_probability": 0.125}
FAKE = {"verdict": "fake", "fake_probability": 0.875}


def verdict(document: dict[str, Any]) -> Predict:
    async def respond(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(document)

    return respond


class Shadowed:
    """A gateway's upstream with a pool that serves and one that gets copies."""

    def __init__(self, upstream: Upstream, max_bytes: int) -> None:
        self.registry = CollectorRegistry()
        self.upstream = upstream
        metrics = ShadowMetrics(self.registry)
        self.traffic = ShadowTraffic(upstream.pools, metrics, max_bytes=max_bytes, timeout_s=30)
        upstream.on_detected = self.traffic.offer

    def value(self, name: str, **labels: str) -> float:
        labels = {"pool": "next", "model": "detector"} | labels
        return self.registry.get_sample_value(f"deepfake_shadow_{name}", labels) or 0.0

    def copies(self, outcome: str) -> float:
        return self.value("requests_total", outcome=outcome)


@asynccontextmanager
async def shadowed(
    names: Names, copy: Predict, *, share: float = 1.0, max_bytes: int = 100
) -> AsyncIterator[tuple[Shadowed, FakeReplica]]:
    served, shadow = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    served.predict, shadow.predict = verdict(REAL), copy
    pools = (({"name": "now"}, [served]), ({"name": "next", "shadow": share}, [shadow]))
    async with serving(*pools, names=names) as upstream:
        given = Shadowed(upstream, max_bytes)
        async with given.traffic.running():
            yield given, shadow


async def test_scores_and_verdicts_are_compared(names: Names) -> None:
    async with shadowed(names, verdict(FAKE)) as (given, shadow):
        assert await detect(given.upstream) == REAL
        await until(lambda: given.copies("compared") == 1)
        assert given.value("score_difference_sum") == 0.75
        assert given.value("verdict_changes_total", served="real", shadow="fake") == 1
        assert len(shadow.requests) == 1


async def test_equal_verdicts_are_no_change(names: Names) -> None:
    async with shadowed(names, verdict({"verdict": "real", "fake_probability": None})) as (
        given,
        _,
    ):
        await detect(given.upstream)
        await until(lambda: given.copies("compared") == 1)
        assert given.value("score_difference_count") == 0
        assert given.value("verdict_changes_total", served="real", shadow="real") == 0


async def test_a_share_of_zero_copies_nothing_and_serves_nobody(names: Names) -> None:
    async with shadowed(names, verdict(FAKE), share=0.0) as (given, shadow):
        assert [await detect(given.upstream) for _ in range(8)] == [REAL] * 8
        assert shadow.requests == []


async def test_a_hanging_shadow_delays_no_client_and_further_copies_are_dropped(
    names: Names,
) -> None:
    async with shadowed(names, hang, max_bytes=2 * len(b"image")) as (given, shadow):
        assert [await detect(given.upstream) for _ in range(5)] == [REAL] * 5
        assert given.copies("dropped") == 3
        await until(lambda: len(shadow.requests) == 2)
        assert given.traffic.held_bytes == 2 * len(b"image")
    assert given.traffic.held_bytes == 0


@pytest.mark.parametrize("status", [200, 503])
async def test_a_failing_shadow_is_counted(names: Names, status: int) -> None:
    async def fail(_: web.Request) -> web.Response:
        return web.Response(text="no JSON", status=status)

    async with shadowed(names, fail) as (given, _):
        assert await detect(given.upstream) == REAL
        await until(lambda: given.copies("failed") == 1)
        await until(lambda: given.traffic.held_bytes == 0)


async def test_a_full_shadow_gets_no_copy(names: Names) -> None:
    async with shadowed(names, verdict(FAKE)) as (given, _):
        (replica,) = given.upstream.pools.replicas["next"]
        replica.in_flight = replica.pool.max_in_flight
        await detect(given.upstream)
        await until(lambda: given.copies("unavailable") == 1)


async def test_clients_do_not_see_shadow_pools(names: Names) -> None:
    served, shadow = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3", ("other",))
    pools = (({"name": "now"}, [served]), ({"name": "next", "shadow": 1}, [shadow]))
    async with serving(*pools, names=names) as upstream:
        assert set(upstream.models()) == {"detector"}
        assert set(upstream.pools.all_models()) == {"detector", "other"}
        with pytest.raises(UnknownModel):
            await detect(upstream, "other")
        served.ready = False
        await until(lambda: not upstream.pools.ready())


def test_a_gateway_needs_a_pool_that_serves() -> None:
    with pytest.raises(ValueError, match="all pools are shadow pools"):
        Routing.model_validate({"pools": [{"name": "a", "url": "http://a:1", "shadow": 0.5}]})
