"""The ordered map: concurrency, order, cancellation and cleanup."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import aclosing

import pytest

from deepfake_serving.video.pipelined import pipelined


class Source:
    """Counts up, and records whether it was closed."""

    def __init__(self, count: int) -> None:
        self.count, self.produced, self.closed = count, 0, False
        self.stopped = threading.Event()
        self.threads: set[int] = set()

    def items(self) -> Generator[int, None, None]:
        try:
            for number in range(self.count):
                self.threads.add(threading.get_ident())
                self.produced += 1
                yield number
        finally:
            self.closed = True

    def endless(self) -> Generator[int, None, None]:
        """Blocks before the second item until it is stopped."""
        try:
            yield 0
            self.stopped.wait(30)
        finally:
            self.closed = True


async def test_results_keep_the_order_of_items() -> None:
    source = Source(20)
    done: list[int] = []
    ended = [asyncio.Event() for _ in range(20)]

    async def process(item: int) -> int:
        if item % 2 == 0:
            await ended[item + 1].wait()
        done.append(item)
        ended[item].set()
        return item * item

    found = [pair async for pair in pipelined(source.items(), process, 3, source.stopped.set)]
    assert found == [(i, i * i) for i in range(20)]
    assert done != sorted(done)
    assert source.closed
    assert source.threads.isdisjoint({threading.get_ident()})


async def test_the_source_runs_one_item_ahead() -> None:
    source = Source(200)
    in_flight = max_in_flight = max_ahead = 0
    started = [asyncio.Event() for _ in range(200)]

    async def process(item: int) -> None:
        nonlocal in_flight, max_in_flight, max_ahead
        in_flight += 1
        max_in_flight = max(max_in_flight, in_flight)
        started[item].set()
        if item % 2 == 0:
            await started[item + 1].wait()
        for _ in range(50):  # a thread that does not wait would run ahead
            await asyncio.sleep(0)
            max_ahead = max(max_ahead, source.produced - item - in_flight)
        in_flight -= 1

    async for _ in pipelined(source.items(), process, 2, source.stopped.set):
        pass
    assert source.produced == 200
    assert max_in_flight == 2
    assert max_ahead <= 2  # the next item, and one that waits until the previous result is consumed


async def test_cancelling_ends_the_thread_and_the_pending_work() -> None:
    source = Source(0)
    started, cancelled = asyncio.Event(), False

    async def process(_: int) -> None:
        nonlocal cancelled
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = True
            raise

    async def drain() -> None:
        batches = pipelined(source.endless(), process, 2, source.stopped.set)
        async with aclosing(batches):
            async for _ in batches:
                pass

    draining = asyncio.create_task(drain())
    await started.wait()
    draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining
    assert source.closed
    assert cancelled
    assert not [t for t in threading.enumerate() if t.name.startswith("decode") and t.is_alive()]


async def test_an_error_in_the_work_ends_the_pipeline_and_is_raised() -> None:
    source = Source(50)

    async def process(item: int) -> None:
        if item == 3:
            raise ValueError("three")

    with pytest.raises(ValueError, match="three"):
        async for _ in pipelined(source.items(), process, 2, source.stopped.set):
            pass
    assert source.closed
    assert source.produced < 10


async def test_an_error_in_the_source_is_raised_after_its_results() -> None:
    def items() -> Generator[int, None, None]:
        yield 1
        raise OSError("torn")

    async def process(item: int) -> int:
        return item

    with pytest.raises(OSError, match="torn"):
        async for _ in pipelined(items(), process, 2, lambda: None):
            pass
