"""Statistics and states of models over all replicas, in Triton's terms."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from deepfake_serving.contracts.models import ModelInfo
from deepfake_serving.contracts.problems import InvalidRequest, Problem
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.gateway.upstream.replicas import Replica


def repository_index(upstream: Upstream, ready_only: bool) -> list[dict[str, str]]:
    """Returns every known model and ensemble with its state: READY where it is served."""
    index: dict[str, dict[str, str]] = {}
    for replica in upstream.pools.serving():
        for name, info in replica.models.items():
            index[name] = _entry(name, info, "no replica that serves it is up")
    for name, by_pool in upstream.models().items():
        index[name] = _entry(name, next(iter(by_pool.values())))
    return [each for _, each in sorted(index.items()) if not ready_only or not each["reason"]]


def statistics_path(model: str, version: str) -> str:
    """Returns the path of a model's statistics at a model server; of all models without a name."""
    name = f"/{quote(model, safe='')}" if model else ""
    versioned = f"/versions/{quote(version, safe='')}" if version else ""
    return f"/v2/models{name}{versioned}/stats"


async def model_statistics(
    upstream: Upstream, path: str, model: str | None, context: RequestContext
) -> dict[str, Any]:
    """Returns the sums over all replicas that respond.

    Args:
        path: of the statistics at a model server.

    Raises:
        Problem: none responds, with the reason.
        InvalidRequest: the model is an ensemble.
    """
    if model is not None and upstream.is_ensemble(model):
        raise InvalidRequest("an ensemble has no statistics of its own: its members have")
    serving = [replica for replica in upstream.pools.serving() if replica.serves(model)]
    if not serving:
        upstream.pools.choose(model)  # raises the reason

    async def read(replica: Replica) -> dict[str, Any] | Problem:
        try:
            document: dict[str, Any] = await upstream.get_json(replica, path, context)
        except Problem as problem:
            return problem
        return document

    results = await asyncio.gather(*(read(replica) for replica in serving))
    documents = [each for each in results if isinstance(each, dict)]
    if not documents:
        raise next(each for each in results if isinstance(each, Problem))
    models: dict[tuple[str, str], dict[str, Any]] = {}
    for each in (model for document in documents for model in document["model_stats"]):
        key = (each["name"], each["version"])
        models[key] = _sum(models[key], each) if key in models else each
    return {"model_stats": [models[key] for key in sorted(models)]}


def _entry(name: str, info: ModelInfo, reason: str = "") -> dict[str, str]:
    state = "UNAVAILABLE" if reason else "READY"
    version = info.version.partition(".")[0]
    return {"name": name, "version": version, "state": state, "reason": reason}


def _sum(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """Adds the counts of two replicas; the last inference is the later one."""
    summed: dict[str, Any] = {}
    for name, value in a.items():
        if isinstance(value, dict):
            summed[name] = _sum(value, b[name])
        elif name == "batch_stats":
            summed[name] = _sum_batches(value + b[name])
        elif name == "last_inference":
            summed[name] = max(value, b[name])
        else:
            same = isinstance(value, str) or name == "batch_size"
            summed[name] = value if same else value + b[name]
    return summed


def _sum_batches(batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_size: dict[int, dict[str, Any]] = {}
    for batch in batches:
        size = batch["batch_size"]
        by_size[size] = _sum(by_size[size], batch) if size in by_size else batch
    return [by_size[size] for size in sorted(by_size)]
