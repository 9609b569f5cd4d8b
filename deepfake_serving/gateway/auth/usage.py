"""Usage of API keys by day, and their quotas: what an admin lets a key use each day (UTC)."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Annotated, get_args

import structlog
from pydantic import BaseModel, ConfigDict, Field

from deepfake_serving.contracts.problems import Problem, QuotaExceeded
from deepfake_serving.gateway.auth.rate_limits import RateLimitStatus
from deepfake_serving.gateway.queue.usage import (
    Batch,
    Unit,
    Usage,
    UsageStore,
    add_up,
    day_of,
)
from deepfake_serving.runtime.tasks import background, repeat

log = structlog.get_logger(__name__)

_DAY_S = 24 * 3600
_FLUSH_S = 1.0

Amount = Annotated[float, Field(ge=0)]
Amounts = dict[str, dict[Unit, float]]


class Quota(BaseModel):
    """Limits of a key's usage of each day; None is no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: Amount | None = None
    images: Amount | None = None
    bytes: Amount | None = None
    """Bytes of request bodies, of gRPC messages, and of what is fetched by URL."""
    video_seconds: Amount | None = None

    def limits(self, units: Iterable[Unit] = get_args(Unit)) -> dict[Unit, float]:
        """Returns the limits of those units that have one."""
        return {unit: limit for unit in units if (limit := getattr(self, unit)) is not None}


NO_QUOTA = Quota()


class UsageMeter:
    """Counts usage in memory, and adds it to what all gateways share once a second.

    So a quota may be exceeded by the requests of about a second, and by the request that reaches
    it. While the store fails, what this gateway has counted applies. Each unit is stored once, also
    where a flush was cancelled or its response was lost.
    """

    def __init__(
        self,
        store: UsageStore,
        on_use: Callable[[str, Unit, float], object] = lambda *_: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`on_use` is called with each key, unit and amount."""
        self._store, self._on_use, self._clock = store, on_use, clock
        self._pending: dict[str, Amounts] = {}
        """By day."""
        self._sending: deque[Batch] = deque()
        self._source, self._batches = uuid.uuid4().hex, 0
        self._stored: tuple[str, Amounts] = "", {}
        """The stored usage of one day."""
        self._storing = asyncio.Lock()
        """Held while usage moves to the store: a reader would find it in neither place."""

    def add(self, key: str | None, unit: Unit, amount: float) -> None:
        """Counts usage of a key; None is a client without one."""
        if key is None or not amount:
            return
        add_up(self._pending.setdefault(self.today(), {}), {key: {unit: amount}})
        self._on_use(key, unit, amount)

    def used(self, key: str, unit: Unit) -> float:
        """Returns what a key has used today."""
        day, stored = self._stored
        today = self.today()
        parts: list[Usage] = [batch.usage for batch in self._sending if batch.day == today]
        parts += [self._pending.get(today, {})] + ([stored] if day == today else [])
        return sum(part.get(key, {}).get(unit, 0.0) for part in parts)

    def statuses(self, key: str, limits: dict[Unit, float]) -> list[RateLimitStatus]:
        """Returns the status of each quota, for the response's headers."""
        reset_s = self.reset_s()
        return [
            RateLimitStatus(
                math.floor(limit),
                _DAY_S,
                max(0, math.floor(limit - self.used(key, unit))),
                reset_s,
                name=f"{unit.replace('_', '-')}-per-day",
                unit="content-bytes" if unit == "bytes" else unit,
            )
            for unit, limit in limits.items()
        ]

    def check(self, key: str | None, limits: dict[Unit, float]) -> None:
        """
        Raises:
            QuotaExceeded: one of the quotas is used up.
        """
        for unit, limit in limits.items():
            if key is not None and self.used(key, unit) >= limit:
                raise QuotaExceeded(
                    f"the API key's quota of {limit:g} {unit.replace('_', ' ')} a day is used up",
                    retry_after_s=self.reset_s(),
                )

    async def read(self, day: str) -> Amounts:
        """Returns the usage of all keys on a day.

        Raises:
            UpstreamUnavailable: the store does not respond.
        """
        async with self._storing:
            usage = await self._store.read(day)
            for batch in self._sending:
                add_up(usage, batch.usage if batch.day == day else {})
            add_up(usage, self._pending.get(day, {}))
        return usage

    def today(self) -> str:
        """Returns the current day (UTC)."""
        return day_of(self._clock())

    async def flush(self) -> None:
        """Stores what was counted since the last time, and reads what all have used today.

        Raises:
            Problem: the store fails; what was counted is kept. It may have been stored all the
                same, so the same batches are sent again before others.
        """
        async with self._storing:
            await self._send()
            for day in list(self._pending):
                self._batches += 1
                usage = self._pending.pop(day)
                self._sending.append(Batch(self._source, self._batches, day, usage))
            await self._send()
            today = self.today()
            self._stored = today, await self._store.read(today)

    async def _send(self) -> None:
        while self._sending:
            await self._store.add(self._sending[0])
            batch = self._sending.popleft()
            if batch.day == self._stored[0]:
                add_up(self._stored[1], batch.usage)

    @asynccontextmanager
    async def flushing(self) -> AsyncIterator[None]:
        """Flushes once a second while the context is open, and at its end."""
        with contextlib.suppress(Problem):  # `repeat` logs the next
            await self.flush()
        try:
            async with background(repeat(self.flush, _FLUSH_S, "usage")):
                yield
        finally:
            await self._flush_last()

    async def _flush_last(self) -> None:
        try:
            await self.flush()
        except Problem as problem:
            log.warning("usage lost", problem=problem.slug, detail=problem.detail)

    def reset_s(self) -> int:
        """Returns the seconds until the end of the day (UTC)."""
        return math.ceil(_DAY_S - self._clock() % _DAY_S)
