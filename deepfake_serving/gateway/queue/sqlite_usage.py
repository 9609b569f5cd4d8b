"""Usage of API keys in the job store's SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

from deepfake_serving.gateway.queue.usage import Unit, Usage, oldest_day

SCHEMA = """
CREATE TABLE IF NOT EXISTS usage (
    day TEXT NOT NULL,
    key TEXT NOT NULL,
    unit TEXT NOT NULL,
    amount REAL NOT NULL,
    PRIMARY KEY (day, key, unit)
);
"""
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

    async def add(self, day: str, usage: Usage) -> None:
        rows = [(day, key, unit, n) for key, units in usage.items() for unit, n in units.items()]

        def work(database: sqlite3.Connection) -> None:
            database.executemany(_ADD, rows)
            database.execute("DELETE FROM usage WHERE day < ?", (oldest_day(day),))

        await self._change(work)

    async def read(self, day: str) -> dict[str, dict[Unit, float]]:
        sql = "SELECT key, unit, amount FROM usage WHERE day = ?"
        rows = await self._run(lambda database: database.execute(sql, (day,)).fetchall())
        found: dict[str, dict[Unit, float]] = {}
        for key, unit, amount in rows:
            found.setdefault(key, {})[unit] = amount
        return found
