"""The end of the SQLite backend, while a statement of a cancelled request still runs."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from deepfake_serving.gateway.queue.sqlite import Database, open_sqlite


async def test_the_database_is_closed_after_statements_of_cancelled_requests(
    tmp_path: Path,
) -> None:
    """Closing it in another thread, under a statement, crashed the process."""
    begun, closing = threading.Event(), threading.Event()
    results = []

    def slow(database: Database) -> None:
        begun.set()
        closing.wait(10)
        results.append(database.execute("SELECT 1").fetchone())

    async with open_sqlite(str(tmp_path / "jobs.sqlite")) as backend:
        request = asyncio.create_task(backend._run(slow))
        await asyncio.to_thread(begun.wait, 10)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        threading.Timer(0.1, closing.set).start()
    assert results == [(1,)]
