"""Usage of API keys by day (UTC): its units, and the interface of where it is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Protocol

Unit = Literal["requests", "images", "bytes", "video_seconds"]
Usage = Mapping[str, Mapping[Unit, float]]
"""Amounts by key and unit."""

CountUsage = Callable[[str | None, Unit, float], None]
"""Counts usage of a key; None is a client without one."""

RETAIN_DAYS = 40


@dataclass(frozen=True, slots=True)
class Batch:
    """Usage of a day, such as 2026-11-28, that one process has counted.

    `source` names the process; its batches are numbered from 1, and added in their order.
    """

    source: str
    number: int
    day: str
    usage: Usage


class UsageStore(Protocol):
    """Adds up the usage that gateways and workers count. Methods raise problems as `Backend`'s."""

    async def add(self, batch: Batch) -> None:
        """Adds the amounts of a batch once, however often it is sent: a response may be lost."""
        ...

    async def read(self, day: str) -> dict[str, dict[Unit, float]]:
        """Returns all amounts of a day."""
        ...


class MemoryUsage:
    """A `UsageStore` of one process."""

    def __init__(self) -> None:
        self._days: dict[str, dict[str, dict[Unit, float]]] = {}
        self._last: dict[str, int] = {}

    async def add(self, batch: Batch) -> None:
        if self._last.get(batch.source, 0) >= batch.number:
            return
        self._last[batch.source] = batch.number
        add_up(self._days.setdefault(batch.day, {}), batch.usage)
        oldest = oldest_day(batch.day)
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
