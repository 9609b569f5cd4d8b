"""The bounded queue that keeps the newest items."""

from __future__ import annotations

import asyncio

from deepfake_serving.runtime.newest_queue import NewestQueue


async def test_a_full_queue_drops_its_oldest_item() -> None:
    queue = NewestQueue[int](2)
    for number in range(5):
        queue.put(number)
    queue.close()
    assert [await queue.get() for _ in range(3)] == [3, 4, None]
    assert queue.dropped == 3


async def test_the_replacement_of_a_dropped_item_can_differ_from_the_new_one() -> None:
    queue = NewestQueue[str](1, lambda old, new: f"{new} after {old}")
    queue.put("a")
    queue.put("b")
    assert await queue.get() == "b after a"


async def test_a_consumer_waits_for_an_item_or_the_end() -> None:
    queue = NewestQueue[int](1)
    for item, expected in ((1, 1), (None, None)):
        getting = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        assert not getting.done()
        if item is None:
            queue.close()
        else:
            queue.put(item)
        assert await getting == expected
