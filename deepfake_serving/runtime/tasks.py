"""Tasks in the background, repeated ones too, and waiting for the first of several."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import structlog

from deepfake_serving.contracts.problems import Problem

log = structlog.get_logger(__name__)

T = TypeVar("T")


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
        first = next(index for index, task in enumerate(tasks) if task.done())
        return first, tasks[first].result()
    finally:
        await cancel(tasks)
        tasks.clear()  # the traceback of what the first raised refers to this frame


async def cancel(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancels tasks and waits for their end."""
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(event: asyncio.Event, items: AsyncIterator[T]) -> AsyncIterator[T]:
    """Yields the items that arrive before the event."""
    missing = object()
    while True:
        first, item = await first_of(anext(items, missing), event.wait())
        if first == 1 or item is missing:
            return
        yield item


@contextlib.asynccontextmanager
async def background(work: Coroutine[Any, Any, Any]) -> AsyncIterator[None]:
    """Runs `work` while the context is open; on exit, cancels it and waits for its end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def repeat(work: Callable[[], Awaitable[object]], every_s: float, name: str) -> None:
    """Runs `work` at once and every `every_s` seconds after that, until it is cancelled.

    An exception ends that run alone: what goes on in the background must not stop unnoticed. The
    first of several in a row is logged with the task's name: a problem as a warning, any other
    exception as an error with its traceback.
    """
    failing = False
    while True:
        try:
            await work()
        except Exception as error:
            if not failing:
                _log_failure(name, error)
            failing = True
        else:
            failing = False
        await asyncio.sleep(every_s)


def _log_failure(task: str, error: Exception) -> None:
    if isinstance(error, Problem):
        log.warning("background task failed", task=task, problem=error.slug, detail=error.detail)
    else:
        log.error("background task failed", task=task, exc_info=error)
