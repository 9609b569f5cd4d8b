"""Scripted members of ensembles, each a model server with one model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.verdict import NO_HEATMAPS
from deepfake_serving.ensembles.spec import EnsembleSpec
from deepfake_serving.gateway.ensembles.metrics import EnsembleMetrics
from deepfake_serving.gateway.ensembles.upstream import EnsembleUpstream
from tests.support.replicas import FakeReplica, Names, Predict, serving

BOX = [10.123456, 20.5, 60.25, 90.75]
FACE = {"box": BOX, "landmarks": [[20.0, 30.0]] * 5, "detection_confidence": 0.99}


class Member(FakeReplica):
    """A model server with one model, which finds a face in each item, or scores those given."""

    def __init__(self, number: int, model: str, p: float, task: str = "detector") -> None:
        super().__init__(f"127.0.0.{number}", (model,))
        self.described = {"task": task}
        self.p, self.faces = p, [FACE]
        self.heatmap: dict[str, Any] | None = None
        self.parameters: list[dict[str, Any]] = []
        self.predict = self._infer

    async def _infer(self, request: web.Request) -> web.Response:
        body = await request.read()
        head = orjson.loads(body[: int(request.headers["Inference-Header-Content-Length"])])
        self.parameters.append(head["parameters"])
        count = head["inputs"][0]["shape"][0]
        given = head["parameters"].get("faces")
        per_item = [self.faces] * count if given is None else orjson.loads(given)
        explain = head["parameters"].get("explain", False)
        return respond([self._document(faces, explain=explain) for faces in per_item])

    def _document(self, faces: list[dict[str, Any]], *, explain: bool = False) -> dict[str, Any]:
        models = {self.models[0]: {"fake_probability": self.p}}
        scored = [f | {"fake_probability": self.p, "models": models} for f in faces]
        if explain:
            scored = [face | {"heatmap": self.heatmap} for face in scored]
        size = {"width": 100, "height": 100, "timings_ms": {"detect": 3.0}, "id": "id-1"}
        warnings = [NO_HEATMAPS] if explain and self.heatmap is None else []
        return {"faces": scored, "warnings": warnings} | size


def respond(results: list[dict[str, Any]]) -> web.Response:
    return web.json_response({"outputs": [{"data": [orjson.dumps(r).decode() for r in results]}]})


def failing(problem: Problem) -> Predict:
    async def predict(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(problem.to_dict("x"), status=problem.status)

    return predict


async def hang(request: web.Request) -> web.Response:
    await request.read()
    await asyncio.Event().wait()
    raise AssertionError


def ensemble(**given: Any) -> EnsembleSpec:
    members = [{"model": "a"}, {"model": "b"}, {"model": "c"}]
    base = {"name": "trio", "version": "1.0", "members": members, "min_answers": 2}
    return EnsembleSpec.model_validate(base | given)


@asynccontextmanager
async def trio(
    names: Names, members: list[Member], spec: EnsembleSpec | None = None
) -> AsyncIterator[EnsembleUpstream]:
    pools = [({"name": f"pool-{member.models[0]}"}, [member]) for member in members]
    async with serving(*pools, names=names) as upstream:
        metrics = EnsembleMetrics(CollectorRegistry())
        yield EnsembleUpstream(upstream.pools, [spec or ensemble()], metrics)
