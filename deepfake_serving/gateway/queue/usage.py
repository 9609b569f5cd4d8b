"""Usage of API keys by day (UTC): its units, and the interface of where it is stored."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Protocol, get_args

import structlog

from deepfake_serving.contracts.problems import Problem

log = structlog.get_logger(__name__)

Unit = Literal["requests", "images", "bytes", "video_seconds"]
UNITS: tuple[Unit, ...] = get_args(Unit)
Usage = Mapping[str, Mapping[Unit, float]]
"""Amounts by key and unit."""

CountUsage = Callable[[str | None, Unit, float], Awaitable[None]]
"""Counts usage of a key; None is a client without one."""

RETAIN_DAYS = 40


class UsageStore(Protocol):
    """Adds up the usage that gateways and workers count. Methods raise problems as `Backend`'s."""

    async def add(self, day: str, usage: Usage) -> None:
        """Adds amounts to those of a day, such as 2026-11-28."""
        ...

    async def read(self, day: str) -> dict[str, dict[Unit, float]]:
        """Returns all amounts of a day."""
        ...


class MemoryUsage:
    """A `UsageStore` of one process."""

    def __init__(self) -> None:
        self._days: dict[str, dict[str, dict[Unit, float]]] = {}

    async def add(self, day: str, usage: Usage) -> None:
        add_up(self._days.setdefault(day, {}), usage)
        oldest = oldest_day(day)
        self._days = {each: kept for each, kept in self._days.items() if each >= oldest}

    async def read(self, day: str) -> dict[str, dict[Unit, float]]:
        return {key: dict(amounts) for key, amounts in self._days.get(day, {}).items()}


def add_up(total: dict[str, dict[Unit, float]], usage: Usage) -> None:
    """Adds amounts to others."""
    for key, amounts in usage.items():
        own = total.setdefault(key, defaultdict(float))
        for unit, amount in amounts.items():
            own[unit] = own.get(unit, 0.0) + amount


def oldest_day(day: str) -> str:
    """Returns the oldest day whose usage is kept on a day."""
    return (date.fromisoformat(day) - timedelta(days=RETAIN_DAYS)).isoformat()


def day_of(seconds: float) -> str:
    """Returns the day of a time since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


async def add_usage(store: UsageStore, owner: str, unit: Unit, amount: float) -> None:
    """Adds usage of a job. A failure is logged: it must not fail the job."""
    try:
        await store.add(day_of(time.time()), {owner: {unit: amount}})
    except Problem as problem:
        log.warning("usage not stored", problem=problem.slug, detail=problem.detail)
