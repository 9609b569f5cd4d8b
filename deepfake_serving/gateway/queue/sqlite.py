"""Job backend in one SQLite file, for one host. Several processes may open it.

Each operation is a single function that runs in one thread, so a cancelled task leaves no
transaction open.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from deepfake_serving.contracts.jobs import PART
from deepfake_serving.contracts.problems import StorageFull, UpstreamUnavailable
from deepfake_serving.gateway.queue.backend import Query, parse_readable
from deepfake_serving.gateway.queue.collections.collection import Name
from deepfake_serving.gateway.queue.collections.sqlite import SCHEMA as COLLECTIONS
from deepfake_serving.gateway.queue.collections.sqlite import SQLiteCollection
from deepfake_serving.gateway.queue.fairness import WINDOW, in_turns
from deepfake_serving.gateway.queue.records import QUEUE_BY_KIND, QueueName, Record
from deepfake_serving.gateway.queue.reserve import DiskReserve
from deepfake_serving.gateway.queue.sqlite_rows import existing, read, remember, write
from deepfake_serving.gateway.queue.sqlite_usage import SCHEMA, SQLiteUsage

T = TypeVar("T")
Database = sqlite3.Connection

_BUSY_TIMEOUT_S = 10
_QUEUE = (
    "CASE WHEN state NOT IN ('queued', 'running') THEN 'webhooks' "
    + "".join(f"WHEN kind = '{kind}' THEN '{queue}' " for kind, queue in QUEUE_BY_KIND.items())
    + "ELSE 'jobs' END"
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    created_at REAL NOT NULL,
    state TEXT NOT NULL,
    owner TEXT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    due_at REAL,
    record BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_state ON jobs (state, created_at);
CREATE INDEX IF NOT EXISTS jobs_created ON jobs (created_at, id);
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    job_id TEXT NOT NULL,
    created_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS turns (
    queue TEXT NOT NULL, owner TEXT NOT NULL, served_at REAL NOT NULL,
    PRIMARY KEY (queue, owner)
);
"""

_VISIBLE = f"kind != '{PART}'"
_SUMMARY = "json_extract(CAST(record AS TEXT), '$.job.summary.{}')"
_CONDITIONS = {
    "owner": "owner = ?",
    "state": "state = ?",
    "kind": "kind = ?",
    "created_from": "created_at >= ?",
    "created_before": "created_at < ?",
    "verdict": f"{_SUMMARY.format('verdict')} = ?",
    "min_probability": f"{_SUMMARY.format('fake_probability')} >= ?",
    "max_probability": f"{_SUMMARY.format('fake_probability')} <= ?",
}
"""Conditions of a query, by the names of its fields."""


@asynccontextmanager
async def open_sqlite(path: str) -> AsyncIterator[SQLiteBackend]:
    """Opens the database in a file, and creates it if needed."""
    with ThreadPoolExecutor(1, "sqlite") as thread:
        database = await asyncio.get_running_loop().run_in_executor(thread, _connect, path)
        try:
            yield SQLiteBackend(database, thread, DiskReserve(path))
        finally:
            thread.submit(database.close)  # after statements of cancelled requests


def _connect(path: str) -> Database:
    """Connects in WAL mode, where readers and a writer do not block each other.

    See https://www.sqlite.org/wal.html. Committed jobs survive a power failure.
    """
    with _map_errors(f"{path} "):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.executescript(_SCHEMA + SCHEMA + COLLECTIONS)
    return database


class SQLiteBackend:
    """A `backend.Backend` in SQLite."""

    def __init__(
        self, database: Database, thread: ThreadPoolExecutor, reserve: DiskReserve
    ) -> None:
        self._database, self._thread, self._reserve = database, thread, reserve
        self.usage = SQLiteUsage(self._run, self._change)
        reserve.restore()

    def collection(self, name: Name) -> SQLiteCollection:
        return SQLiteCollection(name, self._run, self._change)

    async def insert(
        self, record: Record, idempotency: tuple[str, str] | None, accept_new: bool
    ) -> Record | None:
        created_at = record.job.created_at

        def work(database: Database) -> Record | None:
            before = existing(database, idempotency, created_at) if idempotency else None
            if before is not None or not accept_new:
                return before
            if idempotency is not None:
                remember(database, idempotency, record.job.id, created_at)
            write(database, record)
            return record

        return await self._change(work)

    async def remember(self, idempotency: tuple[str, str], job_id: str) -> None:
        now = time.time()
        await self._change(lambda database: remember(database, idempotency, job_id, now))

    async def get(self, job_id: str) -> Record | None:
        return await self._run(lambda database: read(database, job_id))

    async def update(
        self, job_id: str, change: Callable[[Record], Record | None], urgent: bool = False
    ) -> Record | None:
        def work(database: Database) -> Record | None:
            record = read(database, job_id)
            changed = None if record is None else change(record)
            if changed is not None:
                write(database, changed)
            return changed

        return await (self._change_urgently if urgent else self._change)(work)

    async def due(
        self, now: float, limit: int, queue: QueueName, exclude: Collection[str | None] = ()
    ) -> list[str]:
        left_out = [owner or "" for owner in exclude]
        sql = (
            f"SELECT id, coalesce(owner, '') AS key FROM jobs WHERE due_at <= ? AND {_QUEUE} = ? "
            f"AND key NOT IN ({','.join('?' * len(left_out))}) ORDER BY due_at LIMIT ?"
        )
        due = await self._rows(sql, now, queue, *left_out, WINDOW)
        if not due:
            return []
        turns = await self._rows("SELECT owner, served_at FROM turns WHERE queue = ?", queue)
        return in_turns(due, dict(turns))[:limit]

    async def served(self, queue: QueueName, owner: str | None, now: float) -> None:
        sql = "INSERT OR REPLACE INTO turns VALUES (?, ?, ?)"
        await self._run(lambda database: database.execute(sql, (queue, owner or "", now)))

    async def queued_of(self, owner: str) -> int:
        sql = "SELECT count(*) FROM jobs WHERE state = 'queued' AND owner = ? AND " + _VISIBLE
        count: int = (await self._rows(sql, owner))[0][0]
        return count

    async def defer(self, job_id: str, until: float) -> None:
        sql = "UPDATE jobs SET due_at = ? WHERE id = ? AND due_at IS NOT NULL"
        await self._run(lambda database: database.execute(sql, (until, job_id)))

    async def page(
        self, query: Query, limit: int, before: tuple[float, str] | None
    ) -> list[Record]:
        conditions, values = [_VISIBLE], list[Any]()
        for name, condition in _CONDITIONS.items():
            if getattr(query, name) is not None:
                conditions.append(condition)
                values.append(getattr(query, name))
        if query.text:
            conditions.append("(instr(lower(name), lower(?)) OR instr(id, lower(?)))")
            values += [query.text, query.text]
        if before is not None:
            conditions.append("(created_at, id) < (?, ?)")
            values += before
        sql = f"SELECT record FROM jobs WHERE {' AND '.join(conditions)} "
        order = "ORDER BY created_at DESC, id DESC LIMIT ?"
        return parse_readable(row[0] for row in await self._rows(sql + order, *values, limit))

    async def remove(self, job_id: str) -> None:
        def work(database: Database) -> None:
            database.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            database.execute("DELETE FROM keys WHERE job_id = ?", (job_id,))

        await self._change_urgently(work)

    async def check_writes(self) -> None:
        await self._change(lambda database: None)

    async def counts(self) -> dict[str, int]:
        sql = f"SELECT state, count(*) FROM jobs WHERE {_VISIBLE} GROUP BY state"
        return dict(await self._rows(sql))

    async def parts(self, job_id: str) -> list[str]:
        sql = "SELECT id FROM jobs WHERE id > ? AND id < ? AND kind = ?"
        return [row[0] for row in await self._rows(sql, f"{job_id}-", f"{job_id}.", PART)]

    async def part_counts(self) -> dict[str, int]:
        sql = "SELECT state, count(*) FROM jobs WHERE kind = ? GROUP BY state"
        return dict(await self._rows(sql, PART))

    async def oldest_queued(self) -> float | None:
        sql = "SELECT min(created_at) FROM jobs WHERE state = 'queued' AND " + _VISIBLE
        oldest: float | None = (await self._rows(sql))[0][0]
        return oldest

    async def versions(self, job_ids: Sequence[str]) -> dict[str, int]:
        marks = ",".join("?" * len(job_ids))
        sql = f"SELECT id, version FROM jobs WHERE id IN ({marks})"
        return dict(await self._rows(sql, *job_ids))

    async def _rows(self, sql: str, *values: Any) -> list[Any]:
        return await self._run(lambda database: database.execute(sql, values).fetchall())

    async def _change(self, work: Callable[[Database], T]) -> T:
        """Runs `work` in one transaction, without concurrent writers."""

        def transaction(database: Database) -> T:
            database.execute("BEGIN IMMEDIATE")
            try:
                result = work(database)
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
            return result

        return await self._run(transaction)

    async def _change_urgently(self, work: Callable[[Database], T]) -> T:
        """Runs `work` in a transaction, on a full disk with the space set aside."""
        try:
            result = await self._change(work)
        except StorageFull:
            self._reserve.release()
            result = await self._change(work)
            await self._rows("PRAGMA wal_checkpoint(TRUNCATE)")
        self._reserve.restore()
        return result

    async def _run(self, work: Callable[[Database], T]) -> T:
        """Runs `work` in the thread. A single read statement needs no transaction."""

        def run() -> T:
            with _map_errors():
                return work(self._database)

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)


@contextmanager
def _map_errors(path: str = "") -> Iterator[None]:
    """Maps errors of SQLite to problems. Only errors at the start name the file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise StorageFull("the job store is full") from error
        raise UpstreamUnavailable(
            f"the job store {path}cannot be read: {error}", retry_after_s=5
        ) from error
