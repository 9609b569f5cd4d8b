"""How often a key may ask, and how a caller is told (draft-ietf-httpapi-ratelimit-headers)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import ConnectionPool

from deepfake_serving.contracts.problems import RateLimited

log = structlog.get_logger(__name__)

_PATIENCE_S = 0.25
_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """Where a key stands: `remaining` of `quota` requests in `window_s` seconds, the seconds until
    there are more, and whether this one was within."""

    quota: int
    window_s: int
    remaining: int
    reset_s: int
    passed: bool = True

    def check(self) -> None:
        """
        Raises:
            RateLimited: it was not.
        """
        if not self.passed:
            said = f"the API key's limit is {self.quota} requests in {self.window_s} s"
            raise RateLimited(said, retry_after_s=max(1, self.reset_s))

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Policy": f'"key";q={self.quota};w={self.window_s}',
            "RateLimit": f'"key";r={self.remaining};t={self.reset_s}',
        }


class Limits:
    """Counts requests in a sliding window, here or in a Redis that several gateways share.

    A counter that does not answer lets requests pass, and is left alone for a while: a limit
    protects from load, and a gateway that is down for want of it has failed its callers worse.
    """

    def __init__(
        self, rate: str | None, storage: str | None, on_failure: Callable[[], object]
    ) -> None:
        """`rate` is for keys without their own, such as `100/minute`; `storage` a Redis URL.

        Raises:
            ValueError: a rate that can't be read.
        """
        self._rate = parse(rate) if rate else None
        store: Any = MemoryStorage()
        self._pool: ConnectionPool | None = None
        if storage:
            pool: Any = ConnectionPool.from_url(storage)
            store = RedisStorage(storage, implementation="redispy", connection_pool=pool)
            self._pool = pool
        self._limiter = SlidingWindowCounterRateLimiter(store)
        self._on_failure, self._paused_until = on_failure, 0.0

    async def count(self, key_id: str, own_rate: str | None) -> RateLimitStatus | None:
        """Counts a request; None where nothing is limited, or nothing could be counted."""
        rate = parse(own_rate) if own_rate else self._rate
        if rate is None or time.monotonic() < self._paused_until:
            return None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._hit(rate, key_id)
        except Exception as error:  # whatever the storage's client raises
            self._pause(error)
            return None

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.aclose()

    async def _hit(self, rate: RateLimitItem, key_id: str) -> RateLimitStatus:
        passed = await self._limiter.hit(rate, key_id)
        window = await self._limiter.get_window_stats(rate, key_id)
        wait = max(0, math.ceil(window.reset_time - time.time()))
        remaining = max(0, window.remaining)
        return RateLimitStatus(rate.amount, rate.get_expiry(), remaining, wait, passed)

    def _pause(self, error: Exception) -> None:
        self._paused_until = time.monotonic() + _PAUSE_S
        self._on_failure()
        log.warning("rate limits are off", seconds=_PAUSE_S, reason=repr(error))
