"""The retry loop of all upstream requests, whatever their protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp
import structlog

from deepfake_serving.contracts.problems import Problem, UpstreamUnavailable
from deepfake_serving.gateway.upstream.hedging import RETRYABLE, Hedging, first_success
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.gateway.upstream.replicas import Replica
from deepfake_serving.runtime.tasks import cancel

log = structlog.get_logger(__name__)

T = TypeVar("T")
Send = Callable[[Replica], Awaitable[T]]

_MAX_ATTEMPTS = 3
_MAX_LOST = 2
"""Replicas that may be lost with the request. It may be what ends their workers (a "query of
death"), which then must not reach all of them."""


@dataclass
class _Attempts:
    """The replicas that a request was sent to, and those that were lost with it."""

    tried: list[Replica] = field(default_factory=list)
    lost: set[Replica] = field(default_factory=set)

    def may_follow(self, losses: int = 0) -> bool:
        """Returns whether another attempt may follow, after so many further losses."""
        lost = len(self.lost) + losses
        return len(self.tried) < _MAX_ATTEMPTS and lost < _MAX_LOST


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
    attempts = _Attempts()
    while True:
        replica = pools.choose(model, attempts.tried)
        attempts.tried.append(replica)
        try:
            if hedging is None or model is None or attempts.lost:
                return await _attempt(pools, model, send, replica, attempts)
            return await _hedged(pools, model, send, replica, attempts, hedging)
        except Problem as problem:
            if not isinstance(problem, RETRYABLE) or not attempts.may_follow():
                raise
            on_retry(replica.pool.name)
            log.warning("retry", id=request_id, replica=replica.url, problem=problem.slug)


async def _attempt(
    pools: Pools, model: str | None, send: Send[T], replica: Replica, attempts: _Attempts
) -> T:
    """Sends a request to a replica."""

    def has_other() -> bool:
        return attempts.may_follow(1) and _other(pools, model, attempts.tried) is not None

    try:
        with replica.track_request():
            return await replica.while_serving(send(replica), has_other)
    except UpstreamUnavailable as problem:
        if not isinstance(problem.__cause__, aiohttp.ClientConnectorError):  # it was sent
            attempts.lost.add(replica)
        raise


async def _hedged(
    pools: Pools,
    model: str,
    send: Send[T],
    replica: Replica,
    attempts: _Attempts,
    hedging: Hedging,
) -> T:
    """Sends a request to a replica, and to another one if that is slow."""
    clock = asyncio.get_running_loop().time
    started, delay_s = clock(), hedging.delay_s(model)
    tasks = [asyncio.create_task(_attempt(pools, model, send, replica, attempts))]
    second = None
    try:
        if delay_s is not None:
            await asyncio.wait(tasks, timeout=delay_s)
            second = None if tasks[0].done() else _other(pools, model, attempts.tried)
        if second is not None and hedging.spend():
            attempts.tried.append(second)
            tasks.append(asyncio.create_task(_attempt(pools, model, send, second, attempts)))
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
