"""Jobs in one SQLite file, for one machine: several processes may be open on it.

Each operation is one function that runs in one thread, whole: a caller who is cancelled in the
middle leaves no transaction open.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from deepfake_serving.contracts.problems import Conflict, StorageFull, UpstreamUnavailable
from deepfake_serving.gateway.jobs.backend import Query, dump, parse, readable
from deepfake_serving.gateway.jobs.records import Lane, Record

T = TypeVar("T")
Database = sqlite3.Connection

_BUSY_S = 10
_KEYS_KEPT_S = 24 * 3600
_LANE = (
    "CASE WHEN state NOT IN ('queued', 'running') THEN 'webhooks' "
    "WHEN kind = 'live' THEN 'live' ELSE 'jobs' END"
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
"""


@asynccontextmanager
async def open_sqlite(path: str) -> AsyncIterator[SQLiteBackend]:
    """The database in a file, which is made where it is not there."""
    with ThreadPoolExecutor(1, "sqlite") as thread:
        opening = asyncio.get_running_loop().run_in_executor(thread, _connect, path)
        with closing(await opening) as database:
            yield SQLiteBackend(database, thread)


def _connect(path: str) -> Database:
    """In WAL mode, in which readers and a writer don't wait for each other
    (https://www.sqlite.org/wal.html); what is accepted outlives a power cut."""
    with _telling():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(
            path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.executescript(_SCHEMA)
    return database


class SQLiteBackend:
    """`backend.Backend`."""

    def __init__(self, database: Database, thread: ThreadPoolExecutor) -> None:
        self._database, self._thread = database, thread

    async def insert(
        self, record: Record, once: tuple[str, str] | None, room: bool
    ) -> Record | None:
        created_at = record.job.created_at

        def work(database: Database) -> Record | None:
            known = _known(database, once, created_at) if once else None
            if known is not None or not room:
                return known
            if once is not None:
                values = (*once, record.job.id, created_at)
                database.execute("INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?)", values)
            _write(database, record)
            return record

        return await self._change(work)

    async def get(self, job_id: str) -> Record | None:
        return await self._run(lambda database: _read(database, job_id))

    async def update(self, job_id: str, change: Callable[[Record], Record | None]) -> Record | None:
        def work(database: Database) -> Record | None:
            record = _read(database, job_id)
            changed = None if record is None else change(record)
            if changed is not None:
                _write(database, changed)
            return changed

        return await self._change(work)

    async def due(self, now: float, limit: int, lane: Lane) -> list[str]:
        asked = f"SELECT id FROM jobs WHERE due_at <= ? AND {_LANE} = ? ORDER BY due_at LIMIT ?"
        return [row[0] for row in await self._rows(asked, now, lane, limit)]

    async def defer(self, job_id: str, until: float) -> None:
        asked = "UPDATE jobs SET due_at = ? WHERE id = ? AND due_at IS NOT NULL"
        await self._run(lambda database: database.execute(asked, (until, job_id)))

    async def page(
        self, query: Query, limit: int, before: tuple[float, str] | None
    ) -> list[Record]:
        conditions, values = ["1"], list[Any]()
        for column in ("owner", "state", "kind"):
            if getattr(query, column) is not None:
                conditions.append(f"{column} = ?")
                values.append(getattr(query, column))
        if query.text:
            conditions.append("(instr(lower(name), lower(?)) OR instr(id, lower(?)))")
            values += [query.text, query.text]
        if before is not None:
            conditions.append("(created_at, id) < (?, ?)")
            values += before
        asked = f"SELECT record FROM jobs WHERE {' AND '.join(conditions)} "
        order = "ORDER BY created_at DESC, id DESC LIMIT ?"
        return readable(row[0] for row in await self._rows(asked + order, *values, limit))

    async def remove(self, job_id: str) -> None:
        def work(database: Database) -> None:
            database.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            database.execute("DELETE FROM keys WHERE job_id = ?", (job_id,))

        await self._change(work)

    async def counts(self) -> dict[str, int]:
        return dict(await self._rows("SELECT state, count(*) FROM jobs GROUP BY state"))

    async def oldest_queued(self) -> float | None:
        asked = "SELECT min(created_at) FROM jobs WHERE state = 'queued'"
        oldest: float | None = (await self._rows(asked))[0][0]
        return oldest

    async def versions(self, job_ids: Sequence[str]) -> dict[str, int]:
        marks = ",".join("?" * len(job_ids))
        asked = f"SELECT id, version FROM jobs WHERE id IN ({marks})"
        return dict(await self._rows(asked, *job_ids))

    async def _rows(self, asked: str, *values: Any) -> list[Any]:
        return await self._run(lambda database: database.execute(asked, values).fetchall())

    async def _change(self, work: Callable[[Database], T]) -> T:
        """In one transaction: all or nothing, and no other writer in between."""

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

    async def _run(self, work: Callable[[Database], T]) -> T:
        """One statement that only reads needs no more: it waits for no writer."""

        def told() -> T:
            with _telling():
                return work(self._database)

        return await asyncio.get_running_loop().run_in_executor(self._thread, told)


def _read(database: Database, job_id: str) -> Record | None:
    row = database.execute("SELECT record FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return None if row is None else parse(row[0])


def _write(database: Database, record: Record) -> None:
    job = record.job
    columns = job.id, job.created_at, job.state, job.owner, job.kind, job.source.name, job.version
    database.execute(
        "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*columns, record.due_at, dump(record)),
    )


def _known(database: Database, once: tuple[str, str], now: float) -> Record | None:
    """What the key made before, within a day."""
    key, fingerprint = once
    row = database.execute(
        "SELECT fingerprint, record FROM keys JOIN jobs ON jobs.id = keys.job_id "
        "WHERE key = ? AND keys.created_at > ?",
        (key, now - _KEYS_KEPT_S),
    ).fetchone()
    if row is None:
        return None
    if row[0] != fingerprint:
        raise Conflict("the Idempotency-Key was used with another request")
    return parse(row[1])


@contextmanager
def _telling() -> Iterator[None]:
    """Tells what SQLite says in our words."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise StorageFull("there is no room for another job") from error
        raise UpstreamUnavailable(f"the jobs can't be read: {error}", retry_after_s=5) from error
