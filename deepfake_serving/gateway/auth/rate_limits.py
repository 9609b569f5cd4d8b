"""Rate limits of API keys, and their response headers (draft-ietf-httpapi-ratelimit-headers)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import ConnectionPool

from deepfake_serving.contracts.problems import RateLimited
from deepfake_serving.gateway.queue.redis.pool import TAG, open_pool

log = structlog.get_logger(__name__)

_TIMEOUT_S = 0.25
_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """The status of a key after a request: `remaining` of `quota` requests in `window_s` seconds,
    the seconds until the window resets, whether this request was within the limit, and the name and
    the unit of the limit."""

    quota: int
    window_s: int
    remaining: int
    reset_s: int
    allowed: bool = True
    name: str = "key"
    unit: str = "requests"

    def check(self) -> None:
        """
        Raises:
            RateLimited: the request exceeds the limit.
        """
        if not self.allowed:
            detail = f"the API key's limit is {self.quota} requests in {self.window_s} s"
            raise RateLimited(detail, retry_after_s=max(1, self.reset_s))

    @property
    def _policy(self) -> str:
        unit = "" if self.unit == "requests" else f';qu="{self.unit}"'
        return f'"{self.name}";q={self.quota};w={self.window_s}{unit}'

    @staticmethod
    def headers(statuses: Sequence[RateLimitStatus]) -> dict[str, str]:
        """Returns the `RateLimit` and `RateLimit-Policy` headers of a key's limits."""
        return {
            "RateLimit-Policy": ", ".join(each._policy for each in statuses),
            "RateLimit": ", ".join(f'"{e.name}";r={e.remaining};t={e.reset_s}' for e in statuses),
        }


class RateLimiter:
    """Counts requests in a sliding window, in memory or in a Redis that several gateways share.

    When the counter fails, requests pass and it is not used for a few seconds: a limit protects
    from load, and refusing all requests would harm clients more.
    """

    def __init__(
        self, rate: str | None, storage: str | None, on_failure: Callable[[], object]
    ) -> None:
        """
        Args:
            rate: the limit of keys without their own, such as `100/minute`.
            storage: a Redis URL; None counts in memory.

        Raises:
            ValueError: the rate can't be parsed.
        """
        self._rate = parse(rate) if rate else None
        store: Any = MemoryStorage()
        self._pool: ConnectionPool | None = None
        if storage:
            self._pool = open_pool(storage)
            connection: Any = {"implementation": "redispy", "connection_pool": self._pool}
            # The job store's hash tag, so that the counters are on its node of a cluster.
            store = RedisStorage("redis://", key_prefix=f"{TAG}:limits", **connection)
        self._strategy = SlidingWindowCounterRateLimiter(store)
        self._on_failure, self._paused_until = on_failure, 0.0

    async def hit(self, key_id: str, own_rate: str | None) -> RateLimitStatus | None:
        """Counts a request; returns None where there is no limit or the counter failed."""
        return await self._read(self._hit, key_id, own_rate)

    async def status(self, key_id: str, own_rate: str | None) -> RateLimitStatus | None:
        """Returns the status of a key without counting a request; None as in `hit`."""
        return await self._read(self._status, key_id, own_rate)

    async def close(self) -> None:
        """Closes the connections to Redis."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _read(
        self,
        read: Callable[[RateLimitItem, str], Awaitable[RateLimitStatus]],
        key_id: str,
        own_rate: str | None,
    ) -> RateLimitStatus | None:
        rate = parse(own_rate) if own_rate else self._rate
        if rate is None or time.monotonic() < self._paused_until:
            return None
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await read(rate, key_id)
        except Exception as error:  # whatever the storage's client raises
            self._pause(error)
            return None

    async def _hit(self, rate: RateLimitItem, key_id: str) -> RateLimitStatus:
        allowed = await self._strategy.hit(rate, key_id)
        return await self._status(rate, key_id, allowed)

    async def _status(
        self, rate: RateLimitItem, key_id: str, allowed: bool = True
    ) -> RateLimitStatus:
        window = await self._strategy.get_window_stats(rate, key_id)
        reset_s = max(0, math.ceil(window.reset_time - time.time()))
        remaining = max(0, window.remaining)
        return RateLimitStatus(rate.amount, rate.get_expiry(), remaining, reset_s, allowed)

    def _pause(self, error: Exception) -> None:
        self._paused_until = time.monotonic() + _PAUSE_S
        self._on_failure()
        log.warning("rate limits paused", seconds=_PAUSE_S, reason=repr(error))
