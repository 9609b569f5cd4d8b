"""The choice of a replica for each request, and the loss of replicas.

The replicas are scripted HTTP servers on different addresses (127.0.0.2 and on), as behind a
headless Service; tests/integration covers real model servers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import aiohttp
import numpy as np
import orjson
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from deepfake_serving.contracts.models import ModelCard, Thresholds
from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    InvalidRequest,
    NotReady,
    Overloaded,
    Problem,
    UnknownModel,
    UpstreamUnavailable,
)
from deepfake_serving.gateway.upstream import replicas as replicas_module
from deepfake_serving.gateway.upstream.config import Routing
from tests.support.replicas import (
    FakeReplica,
    Names,
    context,
    detect,
    die,
    hang,
    problem,
    serving,
    until,
)


async def test_requests_go_to_the_least_busy_replica(names: Names) -> None:
    members = [FakeReplica(f"127.0.0.{n}") for n in (2, 3, 4)]
    async with serving(({"name": "a"}, members), names=names) as upstream:
        gate = asyncio.Event()

        async def wait(_: web.Request) -> web.Response:
            await gate.wait()
            return web.json_response({})

        for member in members:
            member.predict = wait
        tasks = [asyncio.create_task(detect(upstream)) for _ in range(9)]
        await until(lambda: sum(len(m.requests) for m in members) == 9)
        assert [len(member.requests) for member in members] == [3, 3, 3]
        gate.set()
        await asyncio.gather(*tasks)
        assert all(replica.in_flight == 0 for replica in upstream.pools.all())


async def test_a_new_replica_that_hangs_delays_no_other(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, hanging, ready = (FakeReplica(f"127.0.0.{n}") for n in (2, 3, 4))
    hanging.hangs = True
    async with serving(({"name": "a"}, [first]), names=names) as upstream:
        monkeypatch.setattr(replicas_module, "_TIMEOUT", aiohttp.ClientTimeout(total=600))
        port = upstream.pools.routing.pools[0].port
        await ready.start(port)
        await hanging.start(port)
        names.addresses["a"] += ["127.0.0.3", "127.0.0.4"]
        await until(lambda: sum(each.healthy for each in upstream.pools.all()) == 2)
        assert {each.address for each in upstream.pools.all() if not each.healthy} == {"127.0.0.3"}
    await ready.stop()
    await hanging.stop()


async def test_a_replica_that_is_not_ready_is_used_when_it_is(names: Names) -> None:
    first, starting = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    starting.ready = False
    async with serving(({"name": "a"}, [first, starting]), names=names) as upstream:
        assert {(await detect(upstream))["by"] for _ in range(4)} == {"127.0.0.2"}
        starting.ready = True
        await until(lambda: all(each.healthy for each in upstream.pools.all()))
        await first.stop()
        assert (await detect(upstream))["by"] == "127.0.0.3"


async def test_id_and_remaining_time_are_sent_upstream(names: Names) -> None:
    member = FakeReplica("127.0.0.2")
    async with serving(({"name": "a"}, [member]), names=names) as upstream:
        await detect(upstream, seconds=3)
    (headers,) = member.requests
    assert headers["X-Request-ID"] == "id-1"
    assert 2 < float(headers["X-Request-Timeout"]) <= 3


async def test_a_replica_that_dies_causes_a_retry_and_no_error(names: Names) -> None:
    first, second = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    retried: list[str] = []
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        upstream.on_retry = retried.append
        first.predict = die
        results = [await detect(upstream) for _ in range(8)]
    assert {result["by"] for result in results} == {"127.0.0.3"}
    assert retried
    assert set(retried) == {"a"}


async def test_all_frames_are_sent_again_when_a_replica_dies_midway(
    names: Names,
) -> None:
    first, second = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    chance = np.random.default_rng(0)
    frames = [chance.integers(0, 256, (400, 500, 3), np.uint8) for _ in range(4)]
    bodies: list[tuple[dict[str, str], bytes]] = []

    async def die_midway(request: web.Request) -> web.Response:
        await request.content.readexactly(500_000)
        return await die(request)

    async def take(request: web.Request) -> web.Response:
        bodies.append((dict(request.headers), await request.read()))
        data = [orjson.dumps({"faces": [], "number": n}).decode() for n in range(4)]
        return web.json_response({"outputs": [{"data": data}]})

    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        first.predict, second.predict = die_midway, take
        while not first.requests:
            results = await upstream.detect_frames(frames, "detector", context())
    headers, body = bodies[-1]
    begin = int(headers["Inference-Header-Content-Length"])
    assert int(headers["Content-Length"]) == len(body)
    head = orjson.loads(body[:begin])
    (tensor,) = head["inputs"]
    assert head["parameters"] == {"follow": True}
    assert tensor["shape"] == [4, 400, 500, 3]
    assert body[begin:] == np.stack(frames).tobytes()
    assert [result["number"] for result in results if isinstance(result, dict)] == [0, 1, 2, 3]


@pytest.mark.parametrize("busy", [Overloaded("full", retry_after_s=2), NotReady("draining")])
async def test_a_busy_replica_is_skipped(names: Names, busy: Problem) -> None:
    first, second = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    async with serving(({"name": "a"}, [first, second]), names=names) as upstream:
        first.predict = problem(busy)
        for _ in range(6):
            assert (await detect(upstream))["by"] == "127.0.0.3"


async def test_the_client_gets_retry_after_when_all_replicas_are_overloaded(names: Names) -> None:
    members = [FakeReplica(f"127.0.0.{n}") for n in range(2, 7)]
    async with serving(({"name": "a"}, members), names=names) as upstream:
        for member in members:
            member.predict = problem(Overloaded("full", retry_after_s=7))
        with pytest.raises(Overloaded) as caught:
            await detect(upstream)
    assert caught.value.retry_after_s == 7
    assert sum(len(member.requests) for member in members) == 3, "attempts, each elsewhere"


async def test_a_client_error_is_not_retried(names: Names) -> None:
    members = [FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")]
    async with serving(({"name": "a"}, members), names=names) as upstream:
        for member in members:
            member.predict = problem(InvalidRequest("the body is empty"))
        with pytest.raises(InvalidRequest, match="the body is empty"):
            await detect(upstream)
    assert sum(len(member.requests) for member in members) == 1


async def test_a_deadline_ends_the_upstream_request(names: Names) -> None:
    member = FakeReplica("127.0.0.2")
    async with serving(({"name": "a"}, [member]), names=names) as upstream:
        member.predict = hang
        with pytest.raises(DeadlineExceeded):
            await detect(upstream, seconds=0.2)
        assert next(iter(upstream.pools.all())).in_flight == 0


async def test_new_addresses_are_added_and_old_ones_dropped(names: Names) -> None:
    old, new = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    async with serving(({"name": "a"}, [old]), names=names) as upstream:
        await new.start(next(iter(upstream.pools.all())).pool.port)
        names.addresses["a"] = ["127.0.0.3"]
        await until(lambda: [r.address for r in upstream.pools.all()] == ["127.0.0.3"])
        assert (await detect(upstream))["by"] == "127.0.0.3"
        await new.stop()


async def test_a_failed_lookup_drops_no_replica(names: Names) -> None:
    member = FakeReplica("127.0.0.2")
    async with serving(({"name": "a"}, [member]), names=names) as upstream:
        names.broken = True
        await names.next_lookups(2)
        assert (await detect(upstream))["by"] == "127.0.0.2"


async def test_a_pool_scaled_to_zero_has_no_replicas_once_they_are_down(names: Names) -> None:
    """Its Service has no name then. Addresses of gone pods may soon be those of others."""
    member = FakeReplica("127.0.0.2")
    async with serving(({"name": "a"}, [member]), names=names) as upstream:
        names.addresses["a"] = []
        await names.next_lookups(2)
        assert (await detect(upstream))["by"] == "127.0.0.2", "a healthy one is kept"
        await member.stop()
        await until(lambda: not list(upstream.pools.all()))


async def test_gateways_of_pools_that_may_be_empty_accept_jobs_without_a_replica(
    names: Names,
) -> None:
    """Otherwise nothing could be submitted that starts a replica again."""
    given = {"name": "a", "models": ["detector"], "may_be_empty": True}
    async with serving((given, []), names=names) as upstream:
        assert upstream.pools.ready()
        assert not upstream.pools.up()
        with pytest.raises(UpstreamUnavailable):
            await detect(upstream)
        upstream.pools.check_model("detector")
        assert upstream.detector() == "detector", "a video's, if its client names none"
    async with serving((given, []), ({"name": "b"}, []), names=names) as upstream:
        assert not upstream.pools.ready(), "b should have one"


async def test_a_lookup_that_keeps_failing_is_logged_once_a_minute(names: Names) -> None:
    with capture_logs() as lines:
        async with serving(({"name": "a"}, [FakeReplica("127.0.0.2")]), names=names):
            names.broken = True
            await names.next_lookups(4)
    assert [each["event"] for each in lines].count("pool not resolved") == 1


async def test_a_replica_leaves_and_rejoins_by_its_readiness(names: Names) -> None:
    member = FakeReplica("127.0.0.2")
    async with serving(({"name": "a"}, [member]), names=names) as upstream:
        member.ready = False
        await until(lambda: not upstream.pools.ready())
        with pytest.raises(UpstreamUnavailable) as caught:
            await detect(upstream)
        assert caught.value.retry_after_s
        member.ready = True
        await until(upstream.pools.ready)
        await detect(upstream)


async def test_an_unknown_model_is_refused_with_the_list_of_served_models(names: Names) -> None:
    member = FakeReplica("127.0.0.2", ("detector", "faces"))
    async with serving(({"name": "a"}, [member]), names=names) as upstream:
        with pytest.raises(UnknownModel, match="'cats'; served are: detector, faces"):
            await detect(upstream, "cats")


async def test_full_pools_overflow_to_the_next(names: Names) -> None:
    gpu, cpu = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    pools = (
        ({"name": "gpu", "priority": 0, "max_in_flight": 2}, [gpu]),
        ({"name": "cpu", "priority": 1, "max_in_flight": 1}, [cpu]),
    )
    async with serving(*pools, names=names) as upstream:
        gpu.predict = cpu.predict = hang
        tasks = []
        for expected in ((1, 0), (2, 0), (2, 1)):
            tasks.append(asyncio.create_task(detect(upstream)))
            await until(lambda: len(gpu.requests) + len(cpu.requests) == len(tasks))
            assert (len(gpu.requests), len(cpu.requests)) == expected
        with pytest.raises(Overloaded) as caught:
            await detect(upstream)
        assert caught.value.retry_after_s
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(replica.in_flight == 0 for replica in upstream.pools.all())


async def test_weights_divide_requests_between_pools(names: Names) -> None:
    stable, canary, none = (FakeReplica(f"127.0.0.{n}") for n in (2, 3, 4))
    pools = (
        ({"name": "stable", "weight": 90}, [stable]),
        ({"name": "canary", "weight": 10}, [canary]),
        ({"name": "none", "weight": 0}, [none]),
    )
    async with serving(*pools, names=names) as upstream:
        counted = Counter([upstream.pools.choose("detector").address for _ in range(4000)])
    assert counted["127.0.0.4"] == 0
    assert 0.07 < counted["127.0.0.3"] / 4000 < 0.13


@pytest.mark.parametrize("priority", [0, 1])
async def test_a_pool_of_weight_0_gets_no_request_even_if_others_are_full(
    names: Names, priority: int
) -> None:
    """A canary that is taken out for its verdicts must not respond under load, or after a loss."""
    stable, out = FakeReplica("127.0.0.2"), FakeReplica("127.0.0.3")
    pools = (
        ({"name": "stable", "priority": priority, "max_in_flight": 1}, [stable]),
        ({"name": "out", "weight": 0}, [out]),
    )
    async with serving(*pools, names=names) as upstream:
        assert list(upstream.pools.models()["detector"]) == ["stable"]
        stable.predict = hang
        task = asyncio.create_task(detect(upstream))
        await until(lambda: len(stable.requests) == 1)
        with pytest.raises(Overloaded):
            await detect(upstream)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stable.stop()
        with pytest.raises(UpstreamUnavailable):
            await detect(upstream)
    assert out.requests == []


async def test_pools_that_all_have_weight_0_share_alike(names: Names) -> None:
    first, second = (FakeReplica(f"127.0.0.{n}") for n in (2, 3))
    pools = (({"name": "a", "weight": 0}, [first]), ({"name": "b", "weight": 0}, [second]))
    async with serving(*pools, names=names) as upstream:
        assert len({upstream.pools.choose("detector").address for _ in range(100)}) == 2


async def test_a_pool_serves_only_its_own_models(names: Names) -> None:
    first, second = (FakeReplica(f"127.0.0.{n}", ("detector", "faces")) for n in (2, 3))
    pools = (
        ({"name": "a", "models": ("detector",)}, [first]),
        ({"name": "b", "models": ("faces",)}, [second]),
    )
    async with serving(*pools, names=names) as upstream:
        assert (await detect(upstream, "faces"))["by"] == "127.0.0.3"
        assert (await detect(upstream, "detector"))["by"] == "127.0.0.2"
        assert {m: list(by) for m, by in upstream.pools.models().items()} == {
            "detector": ["a"],
            "faces": ["b"],
        }


async def test_thresholds_and_card_are_those_of_the_model_server(names: Names) -> None:
    replica = FakeReplica("127.0.0.2")
    card = {
        "url": "https://x/card",
        "detects": ["a kind of tomorrow"],
        "min_face_px": 120,
        "new": 1,
    }
    thresholds = {"suspicious_from": 0.3, "fake_above": 0.7}
    replica.described = {"thresholds": thresholds, "card": card}
    async with serving(({"name": "a"}, [replica]), names=names) as upstream:
        assert upstream.thresholds("detector") == Thresholds(0.3, 0.7)
        info = upstream.pools.models()["detector"]["a"]
        assert info.card == ModelCard("https://x/card", ["a kind of tomorrow"], [], 120)


async def test_a_model_server_that_names_no_thresholds_has_the_usual_ones(names: Names) -> None:
    async with serving(({"name": "a"}, [FakeReplica("127.0.0.2")]), names=names) as upstream:
        assert upstream.thresholds("detector") == Thresholds()
        assert upstream.pools.models()["detector"]["a"].card is None


@pytest.mark.parametrize(
    "pools",
    [
        [],
        [{"name": "a", "url": "ftp://x"}],
        [{"name": "a", "url": "http://x/path"}],
        [{"name": "A", "url": "http://x"}],
        [{"name": "a", "url": "http://x"}, {"name": "a", "url": "http://y"}],
        [{"name": "a", "url": "http://x", "weigth": 3}],
    ],
)
def test_an_invalid_routing_file_is_refused(pools: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="pools"):
        Routing.model_validate({"pools": pools})


@pytest.mark.parametrize("task", ["faces", "classifier"])
async def test_only_detectors_score_images(names: Names, task: str) -> None:
    other = FakeReplica("127.0.0.2", models=("other",))
    other.described = {"task": task}
    async with serving(({"name": "a"}, [other]), names=names) as upstream:
        with pytest.raises(InvalidRequest, match=f"not a detector: its task is '{task}'"):
            upstream.detector("other")
        with pytest.raises(UpstreamUnavailable):
            upstream.detector()
        assert upstream.detector("later") == "later"  # it may be served soon, or is unknown
