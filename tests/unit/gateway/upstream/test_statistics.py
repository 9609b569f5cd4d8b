"""Statistics and states of models over several replicas."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from deepfake_serving.contracts.problems import NotReady, Problem, UnknownModel
from deepfake_serving.gateway.upstream.statistics import (
    model_statistics,
    repository_index,
    statistics_path,
)
from tests.support.replicas import FakeReplica, Names, context, serving, until


def statistics(count: int, last: int, *sizes: int) -> dict[str, Any]:
    duration = {"count": count, "ns": 10 * count}
    return {
        "name": "detector",
        "version": "1",
        "last_inference": last,
        "inference_count": count,
        "execution_count": count,
        "inference_stats": {"success": duration, "fail": {"count": 0, "ns": 0}},
        "batch_stats": [{"batch_size": size, "compute_infer": duration} for size in sizes],
    }


class CountingReplica(FakeReplica):
    """A replica with statistics; without any it responds with a problem."""

    statistics: dict[str, Any] | None = None

    async def respond(self, _: web.Request) -> web.Response:
        if self.statistics is None:
            return web.json_response(NotReady("starting").to_dict("x"), status=503)
        return web.json_response({"model_stats": [self.statistics]})


def replicas(*documents: dict[str, Any] | None) -> list[CountingReplica]:
    created = [CountingReplica(f"127.0.0.{n}") for n in range(2, 2 + len(documents))]
    for replica, document in zip(created, documents, strict=True):
        replica.statistics = document
        replica.routes.append(web.get("/v2/models/{model}/stats", replica.respond))
    return created


async def test_counts_of_replicas_are_summed(names: Names) -> None:
    members = replicas(statistics(3, 70, 1, 2), statistics(4, 50, 2), None)
    async with serving(({"name": "a"}, members), names=names) as upstream:
        path = statistics_path("detector", "")
        summed = await model_statistics(upstream, path, "detector", context())
    (model,) = summed["model_stats"]
    assert (model["inference_count"], model["last_inference"]) == (7, 70)
    assert model["inference_stats"]["success"] == {"count": 7, "ns": 70}
    assert [(b["batch_size"], b["compute_infer"]["count"]) for b in model["batch_stats"]] == [
        (1, 3),
        (2, 7),
    ]


async def test_the_problem_is_raised_where_no_replica_responds(names: Names) -> None:
    async with serving(({"name": "a"}, replicas(None)), names=names) as upstream:
        with pytest.raises(Problem, match="starting"):
            await model_statistics(upstream, "/v2/models/detector/stats", "detector", context())
        with pytest.raises(UnknownModel):
            await model_statistics(upstream, "/v2/models/x/stats", "x", context())


async def test_the_index_keeps_models_of_replicas_that_are_down(names: Names) -> None:
    member = FakeReplica("127.0.0.2")
    async with serving(({"name": "a"}, [member]), names=names) as upstream:
        ready = {"name": "detector", "version": "1", "state": "READY", "reason": ""}
        assert repository_index(upstream, ready_only=True) == [ready]
        member.ready = False
        await until(lambda: not upstream.pools.ready())
        assert repository_index(upstream, ready_only=True) == []
        (entry,) = repository_index(upstream, ready_only=False)
        assert entry["state"] == "UNAVAILABLE"


def test_paths_of_statistics() -> None:
    assert statistics_path("", "") == "/v2/models/stats"
    assert statistics_path("a/b", "1") == "/v2/models/a%2Fb/versions/1/stats"
