"""Work on what a thread brings forth: the next is made while the ones before are worked on."""

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
    work: Callable[[T], Awaitable[R]],
    in_flight: int,
    stop: Callable[[], None],
    alone: Callable[[T], bool] = lambda _: False,
) -> AsyncGenerator[tuple[T, R], None]:
    """Yields each item of `source`, in order, with what `work` made of it.

    `source` runs in a thread of its own and is at most one item ahead of the `in_flight` that are
    worked on; one that is to be `alone` is worked on with no other. However this generator is left,
    all work has ended and `source` has too, which `stop` hastens.
    """
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, "decode")
    working: deque[tuple[T, asyncio.Future[R]]] = deque()
    ahead: asyncio.Future[T | None] | None = loop.run_in_executor(thread, next, source, None)
    try:
        while ahead is not None or working:
            full = len(working) >= in_flight or any(alone(item) for item, _ in working)
            if ahead is not None and not full:
                item = await asyncio.shield(ahead)
                ahead = None
                if item is not None:
                    working.append((item, asyncio.ensure_future(work(item))))
                    ahead = loop.run_in_executor(thread, next, source, None)
            else:
                item, result = working.popleft()
                yield item, await result
                del item, result  # they may be large, and the next may be long in coming
    finally:
        stop()
        left = [result for _, result in working]
        for result in left:
            result.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if ahead is not None:
            with contextlib.suppress(Exception):
                await ahead
        await loop.run_in_executor(thread, source.close)
        thread.shutdown()
