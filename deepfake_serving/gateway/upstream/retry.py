"""The retry loop of all upstream requests, whatever their protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from deepfake_serving.contracts.problems import NotReady, Overloaded, Problem, UpstreamUnavailable
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.gateway.upstream.replicas import Replica

log = structlog.get_logger(__name__)

T = TypeVar("T")

_MAX_ATTEMPTS = 3
_RETRYABLE = (UpstreamUnavailable, NotReady, Overloaded)
"""Problems of one replica that another one may not have."""


async def send_with_retries(
    pools: Pools,
    model: str | None,
    send: Callable[[Replica], Awaitable[T]],
    *,
    request_id: str,
    on_retry: Callable[[str], None],
) -> T:
    """Sends a request to a replica that serves the model, and to another one where that fails.

    Inference changes nothing, so a request whose response was lost can be sent again.

    Args:
        send: sends the request to one replica; raises `Problem`.
        on_retry: called with the pool of each replica that failed before a retry.

    Raises:
        Problem: that of the last attempt.
    """
    tried: list[Replica] = []
    while True:
        replica = pools.choose(model, tried)
        tried.append(replica)
        try:
            with replica.track_request():
                return await replica.while_reachable(send(replica))
        except Problem as problem:
            if not isinstance(problem, _RETRYABLE) or len(tried) >= _MAX_ATTEMPTS:
                raise
            on_retry(replica.pool.name)
            log.warning("retry", id=request_id, replica=replica.url, problem=problem.slug)
