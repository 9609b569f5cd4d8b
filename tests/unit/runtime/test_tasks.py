"""Tasks in the background, and waiting for the first of several."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator

import pytest
import structlog

from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.runtime.tasks import background, first_of, repeat, until
from tests.support.running import GUARD_S


async def test_the_first_task_to_end_gives_the_result_and_the_others_are_cancelled() -> None:
    cancelled = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def ends() -> str:
        await asyncio.sleep(0)
        return "result"

    assert await first_of(endless(), ends()) == (1, "result")
    assert cancelled.is_set()


async def test_items_are_read_until_an_event_or_their_end() -> None:
    event = asyncio.Event()

    async def items(*, endless: bool) -> AsyncIterator[int]:
        yield 1
        yield 2
        if endless:
            event.set()
            await asyncio.Event().wait()

    assert [n async for n in until(event, items(endless=False))] == [1, 2]
    async with asyncio.timeout(GUARD_S):
        assert [n async for n in until(event, items(endless=True))] == [1, 2]


async def test_the_first_argument_wins_if_two_tasks_end_at_once() -> None:
    async def at_once(value: int) -> int:
        return value

    assert await first_of(at_once(1), at_once(2)) == (0, 1)


async def test_an_error_of_the_first_task_to_end_is_raised() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await first_of(asyncio.Event().wait(), fails())


async def test_what_an_error_went_through_is_freed_without_the_garbage_collector() -> None:
    class Body: ...

    kept: list[weakref.ref[Body]] = []

    async def fail() -> None:
        body = Body()
        kept.append(weakref.ref(body))
        raise ValueError("no")

    async def call() -> None:
        with contextlib.suppress(ValueError):
            await first_of(fail(), asyncio.Event().wait())

    gc.disable()
    try:
        await call()
        await asyncio.sleep(0)  # the loop forgets its last call
        assert kept[0]() is None
    finally:
        gc.enable()


async def test_cancelling_the_wait_cancels_every_task() -> None:
    cancelled = []

    async def endless(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(number)

    waiting = asyncio.create_task(first_of(endless(0), endless(1)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert cancelled == [0, 1]


async def test_a_repeated_task_goes_on_after_an_exception_and_logs_the_first_in_a_row() -> None:
    """Runs 1, 4 and 5 fail."""
    runs = 0
    done = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 7:
            done.set()
        if runs in (1, 4, 5):
            raise ZeroDivisionError

    with structlog.testing.capture_logs() as logs:
        async with background(repeat(work, 0.001, "counting")):
            await asyncio.wait_for(done.wait(), GUARD_S)
    assert [(entry["event"], entry["task"]) for entry in logs] == [
        ("background task failed", "counting")
    ] * 2
    assert {entry["log_level"] for entry in logs} == {"error"}


async def test_a_problem_of_a_repeated_task_is_a_warning() -> None:
    failed = asyncio.Event()

    async def work() -> None:
        failed.set()
        raise UpstreamUnavailable("the job store cannot be reached")

    with structlog.testing.capture_logs() as logs:
        async with background(repeat(work, 0.001, "counting")):
            await asyncio.wait_for(failed.wait(), GUARD_S)
            await asyncio.sleep(0.05)
    (entry,) = logs
    assert entry["log_level"] == "warning"
    assert entry["detail"] == "the job store cannot be reached"


async def test_a_repeated_task_runs_at_once_and_ends_when_cancelled() -> None:
    running = asyncio.Event()

    async def work() -> None:
        running.set()

    async with background(repeat(work, 3600, "rare")):
        await asyncio.wait_for(running.wait(), GUARD_S)
