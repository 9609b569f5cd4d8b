"""What all handlers of the gateway share, and what is known of one request."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from fastapi import Request

from deepfake_serving.contracts.problems import Overloaded, Problem
from deepfake_serving.gateway.auth.authenticator import Authenticator
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.jobs.service import JobService
from deepfake_serving.gateway.jobs.submission import Submission
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.runtime.request_scope import RequestScope
from deepfake_serving.runtime.request_timeout import parse_timeout
from deepfake_serving.runtime.shutdown import InFlight
from deepfake_serving.runtime.tasks import first_of

T = TypeVar("T")


class CallerLeft(Exception):
    """The caller has hung up: there is nobody to answer."""


@dataclass
class Gateway:
    """The parts, put together once."""

    settings: Settings
    metrics: Metrics
    access: Authenticator
    upstream: Upstream
    submission: Submission
    jobs: JobService
    fetcher: Fetcher | None
    draining: bool = False
    in_flight: InFlight = field(default_factory=InFlight)
    _streams: int = 0

    async def unready(self) -> list[str]:
        """Why requests can't be served; nothing where they can."""
        reasons = ["draining"] if self.draining else []
        if not self.upstream.pools.ready():
            reasons.append("no model server is up")
        try:
            await self.jobs.store.counts()
        except Problem as problem:
            reasons.append(f"jobs: {problem.detail}")
        return reasons

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Around every live stream.

        Raises:
            Overloaded: there are as many as may be.
        """
        if self._streams >= self.settings.live_max_sessions:
            raise Overloaded(f"{self._streams} live streams are open", retry_after_s=10)
        self._streams += 1
        self.metrics.streams.set(self._streams)
        try:
            yield
        finally:
            self._streams -= 1
            self.metrics.streams.set(self._streams)


def gateway_of(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


def exchange_of(request: Request) -> RequestScope:
    exchange: RequestScope = request.state.exchange
    return exchange


def asked(request: Request) -> RequestContext:
    """The request's id, trace, and the deadline that `X-Request-Timeout` and the bound leave."""
    exchange = exchange_of(request)
    longest = gateway_of(request).settings.request_timeout_s
    seconds = min(longest, parse_timeout(request.headers.get("X-Request-Timeout")) or longest)
    deadline = asyncio.get_running_loop().time() + seconds
    return RequestContext(exchange.id, deadline, exchange.traceparent)


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Awaits the work, and cancels it when the caller hangs up; the body must have been read.

    Raises:
        CallerLeft
    """
    first, result = await first_of(work, _left(request))
    if first == 1:
        raise CallerLeft
    return cast("T", result)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
