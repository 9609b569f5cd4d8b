"""The retry loop of all upstream requests, whatever their protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.gateway.upstream.hedging import RETRYABLE, Hedging, first_success
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.gateway.upstream.replicas import Replica
from deepfake_serving.runtime.tasks import cancel

log = structlog.get_logger(__name__)

T = TypeVar("T")
Send = Callable[[Replica], Awaitable[T]]

_MAX_ATTEMPTS = 3


async def send_with_retries(
    pools: Pools,
    model: str | None,
    send: Send[T],
    *,
    request_id: str,
    on_retry: Callable[[str], None],
    hedging: Hedging | None = None,
) -> T:
    """Sends a request to a replica that serves the model, and to another one where that fails.

    Inference changes nothing, so a request whose response was lost can be sent again.

    Args:
        send: sends the request to one replica; raises `Problem`.
        on_retry: called with the pool of each replica that failed before a retry.
        hedging: decides whether a slow request is sent to a second replica meanwhile.

    Raises:
        Problem: that of the last attempt.
    """
    tried: list[Replica] = []
    while True:
        replica = pools.choose(model, tried)
        tried.append(replica)
        try:
            if hedging is None or model is None:
                return await _attempt(pools, model, send, tried)
            return await _hedged(pools, model, send, tried, hedging)
        except Problem as problem:
            if not isinstance(problem, RETRYABLE) or len(tried) >= _MAX_ATTEMPTS:
                raise
            on_retry(replica.pool.name)
            log.warning("retry", id=request_id, replica=replica.url, problem=problem.slug)


async def _attempt(pools: Pools, model: str | None, send: Send[T], tried: Sequence[Replica]) -> T:
    """Sends a request to the last of the tried replicas."""
    replica = tried[-1]

    def has_other() -> bool:
        return len(tried) < _MAX_ATTEMPTS and _other(pools, model, tried) is not None

    with replica.track_request():
        return await replica.while_serving(send(replica), has_other)


async def _hedged(
    pools: Pools, model: str, send: Send[T], tried: list[Replica], hedging: Hedging
) -> T:
    """Sends a request to the last of the tried replicas, and to another one if that is slow."""
    clock = asyncio.get_running_loop().time
    started, delay_s = clock(), hedging.delay_s(model)
    tasks = [asyncio.create_task(_attempt(pools, model, send, tuple(tried)))]
    second = None
    try:
        if delay_s is not None:
            await asyncio.wait(tasks, timeout=delay_s)
            second = None if tasks[0].done() else _other(pools, model, tried)
        if second is not None and hedging.spend():
            tried.append(second)
            tasks.append(asyncio.create_task(_attempt(pools, model, send, tuple(tried))))
        position, result = await first_success(tasks)
    finally:
        await cancel(tasks)
    if second is not None and len(tasks) > 1:
        hedging.on_hedge(second.pool.name, position == 1)
    hedging.observe(model, clock() - started)
    return result


def _other(pools: Pools, model: str | None, tried: Sequence[Replica]) -> Replica | None:
    """Returns a free replica that was not tried; None if there is none."""
    try:
        replica = pools.choose(model, tried)
    except Problem:
        return None
    return None if replica in tried else replica
