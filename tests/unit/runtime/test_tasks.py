"""Waiting for the first of several tasks."""

from __future__ import annotations

import asyncio

import pytest

from deepfake_serving.runtime.tasks import first_of


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


async def test_the_first_argument_wins_if_two_tasks_end_at_once() -> None:
    async def at_once(value: int) -> int:
        return value

    assert await first_of(at_once(1), at_once(2)) == (0, 1)


async def test_an_error_of_the_first_task_to_end_is_raised() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await first_of(asyncio.Event().wait(), fails())


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
