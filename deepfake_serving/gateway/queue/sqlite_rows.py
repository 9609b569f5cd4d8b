"""Rows of jobs in SQLite."""

from __future__ import annotations

import sqlite3

from deepfake_serving.contracts.problems import Conflict
from deepfake_serving.gateway.queue.backend import dump, parse
from deepfake_serving.gateway.queue.records import Record

Database = sqlite3.Connection

_IDEMPOTENCY_S = 24 * 3600


def read(database: Database, job_id: str) -> Record | None:
    """Returns the record of a job."""
    row = database.execute("SELECT record FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return None if row is None else parse(row[0])


def write(database: Database, record: Record) -> None:
    """Inserts or replaces a record."""
    job = record.job
    columns = job.id, job.created_at, job.state, job.owner, job.kind, job.source.name, job.version
    database.execute(
        "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*columns, record.due_at, dump(record)),
    )


def remember(
    database: Database, idempotency: tuple[str, str], job_id: str, created_at: float
) -> None:
    """Stores the key and the fingerprint of the request for a job."""
    values = (*idempotency, job_id, created_at)
    database.execute("INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?)", values)


def existing(database: Database, idempotency: tuple[str, str], now: float) -> Record | None:
    """Returns the record that was inserted with the key within a day.

    Raises:
        Conflict: the key was inserted with another fingerprint.
    """
    key, fingerprint = idempotency
    row = database.execute(
        "SELECT fingerprint, record FROM keys JOIN jobs ON jobs.id = keys.job_id "
        "WHERE key = ? AND keys.created_at > ?",
        (key, now - _IDEMPOTENCY_S),
    ).fetchone()
    if row is None:
        return None
    if row[0] != fingerprint:
        raise Conflict("the Idempotency-Key was used with another request")
    return parse(row[1])
