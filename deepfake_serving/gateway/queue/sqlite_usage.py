"""Usage of API keys in the job store's SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

from deepfake_serving.gateway.queue.usage import Batch, Unit, oldest_day

SCHEMA = """
CREATE TABLE IF NOT EXISTS usage (
    day TEXT NOT NULL,
    key TEXT NOT NULL,
    unit TEXT NOT NULL,
    amount REAL NOT NULL,
    PRIMARY KEY (day, key, unit)
);
CREATE TABLE IF NOT EXISTS usage_sources (
    source TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    day TEXT NOT NULL
);
"""
_IS_NEW = (
    "INSERT INTO usage_sources VALUES (?, ?, ?) "
    "ON CONFLICT DO UPDATE SET number = excluded.number, day = excluded.day "
    "WHERE number < excluded.number RETURNING 1"
)
"""Notes the number of a batch, and returns a row unless it was noted before."""
_ADD = (
    "INSERT INTO usage VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET amount = amount + excluded.amount"
)

Run = Callable[[Callable[[sqlite3.Connection], Any]], Awaitable[Any]]


class SQLiteUsage:
    """A `usage.UsageStore` in a database with the `SCHEMA`."""

    def __init__(self, run: Run, change: Run) -> None:
        """`run` calls a function of the database, `change` does so in one transaction."""
        self._run, self._change = run, change

    async def add(self, batch: Batch) -> None:
        source, day = (batch.source, batch.number, batch.day), batch.day
        amounts = [
            (day, key, unit, amount)
            for key, units in batch.usage.items()
            for unit, amount in units.items()
        ]

        def work(database: sqlite3.Connection) -> None:
            if not database.execute(_IS_NEW, source).fetchall():
                return
            database.executemany(_ADD, amounts)
            for table in ("usage", "usage_sources"):
                database.execute(f"DELETE FROM {table} WHERE day < ?", (oldest_day(day),))

        await self._change(work)

    async def read(self, day: str) -> dict[str, dict[Unit, float]]:
        sql = "SELECT key, unit, amount FROM usage WHERE day = ?"
        rows = await self._run(lambda database: database.execute(sql, (day,)).fetchall())
        found: dict[str, dict[Unit, float]] = {}
        for key, unit, amount in rows:
            found.setdefault(key, {})[unit] = amount
        return found
