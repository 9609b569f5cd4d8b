"""A collection in the job store's SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Collection as Keys
from typing import Any

from deepfake_serving.gateway.queue.collections.collection import Document, Name

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    created_at REAL NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (collection, key)
);
CREATE INDEX IF NOT EXISTS documents_created ON documents (collection, created_at, key);
"""

Run = Callable[[Callable[[sqlite3.Connection], Any]], Awaitable[Any]]


class SQLiteCollection:
    """A `collection.Collection` in a database with the `SCHEMA`."""

    def __init__(self, name: Name, run: Run, change: Run) -> None:
        """`run` calls a function of the database, `change` does so in one transaction."""
        self._name, self._run, self._change = name, run, change

    async def put(self, documents: Sequence[Document]) -> None:
        rows = [(self._name, each.key, each.created_at, each.data) for each in documents]
        sql = "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)"
        await self._change(lambda database: database.executemany(sql, rows))

    async def get(self, key: str) -> Document | None:
        found = await self._select("key = ?", (key,), 1)
        return found[0] if found else None

    async def page(self, limit: int, before: tuple[float, str] | None = None) -> list[Document]:
        if before is None:
            return await self._select("1", (), limit)
        return await self._select("(created_at, key) < (?, ?)", before, limit)

    async def remove(self, keys: Keys[str]) -> None:
        rows = [(self._name, key) for key in keys]
        sql = "DELETE FROM documents WHERE collection = ? AND key = ?"
        await self._change(lambda database: database.executemany(sql, rows))

    async def delete_before(self, time: float) -> None:
        sql = "DELETE FROM documents WHERE collection = ? AND created_at < ?"
        await self._change(lambda database: database.execute(sql, (self._name, time)))

    async def keys(self, above: int) -> list[str]:
        counting = "SELECT count(*) FROM documents WHERE collection = ?"
        sql = "SELECT key FROM documents WHERE collection = ? ORDER BY created_at, key"

        def work(database: sqlite3.Connection) -> list[str]:
            (count,) = database.execute(counting, (self._name,)).fetchone()
            found = database.execute(sql, (self._name,)) if count > above else ()
            return [key for (key,) in found]

        keys: list[str] = await self._run(work)
        return keys

    async def _select(self, where: str, values: Sequence[Any], limit: int) -> list[Document]:
        sql = (
            f"SELECT key, created_at, data FROM documents WHERE collection = ? AND {where} "
            "ORDER BY created_at DESC, key DESC LIMIT ?"
        )
        parameters = (self._name, *values, limit)
        rows = await self._run(lambda database: database.execute(sql, parameters).fetchall())
        return [Document(*row) for row in rows]
