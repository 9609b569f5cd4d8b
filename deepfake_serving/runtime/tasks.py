"""Tasks in the background, and waiting for the first of several."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Coroutine
from typing import Any


async def first_of(*awaitables: Awaitable[Any]) -> tuple[int, Any]:
    """Runs awaitables together until the first ends, then cancels and awaits the others.

    Returns:
        The position of the first one that ended, and its result. Of several that end at once, the
        one that was named first.

    Raises:
        Exception: whatever that one raised.
    """
    tasks = [asyncio.ensure_future(each) for each in awaitables]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next((index, task.result()) for index, task in enumerate(tasks) if task.done())
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def background(work: Coroutine[Any, Any, Any]) -> AsyncIterator[None]:
    """Runs `work` while the context is open; on exit, cancels it and waits for its end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
