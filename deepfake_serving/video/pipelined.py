"""An ordered asynchronous map over a generator that runs in a thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def pipelined(
    source: Generator[T, None, None],
    process: Callable[[T], Awaitable[R]],
    max_in_flight: int,
    stop: Callable[[], None],
    is_exclusive: Callable[[T], bool] = lambda _: False,
) -> AsyncGenerator[tuple[T, R], None]:
    """Yields each item of `source`, in order, with the result of `process`.

    `source` runs in a thread of its own and stays at most one item ahead of the `max_in_flight`
    items in process. An exclusive item is processed with no other. However this generator exits,
    all tasks and `source` have ended by then; `stop` is called to speed that up.
    """
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, "decode")
    in_flight: deque[tuple[T, asyncio.Future[R]]] = deque()
    upcoming: asyncio.Future[T | None] | None = loop.run_in_executor(thread, next, source, None)
    try:
        while upcoming is not None or in_flight:
            full = len(in_flight) >= max_in_flight or any(is_exclusive(i) for i, _ in in_flight)
            if upcoming is not None and not full:
                item = await asyncio.shield(upcoming)
                upcoming = None
                if item is not None:
                    in_flight.append((item, asyncio.ensure_future(process(item))))
                    upcoming = loop.run_in_executor(thread, next, source, None)
            else:
                item, result = in_flight.popleft()
                yield item, await result
                del item, result  # they may be large, and the next may take long
    finally:
        stop()
        unfinished = [result for _, result in in_flight]
        for result in unfinished:
            result.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if upcoming is not None:
            with contextlib.suppress(Exception):
                await upcoming
        await loop.run_in_executor(thread, source.close)
        thread.shutdown()
