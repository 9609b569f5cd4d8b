"""Slots that API keys take turns in."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from deepfake_serving.gateway.fetch import names
from deepfake_serving.gateway.queue.turns import Turns, current_key
from tests.support.running import GUARD_S


async def waiting(turns: Turns, *keys: str | None) -> list[asyncio.Task[None]]:
    """Starts tasks that wait for slots of these keys, in order."""
    tasks = [asyncio.create_task(turns.acquire(key)) for key in keys]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def have_slots(tasks: list[asyncio.Task[None]]) -> list[bool]:
    return [task.done() for task in tasks]


async def test_a_free_slot_goes_to_the_key_that_holds_the_fewest() -> None:
    turns = Turns(2)
    tasks = await waiting(turns, "a", "a", "a", "a", "b", "c")
    assert have_slots(tasks) == [True, True, False, False, False, False], "alone it has all"
    turns.release("a")
    turns.release("a")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert have_slots(tasks) == [True, True, True, False, True, False]
    turns.release("a")
    await asyncio.wait_for(tasks[5], GUARD_S)
    tasks[3].cancel()


async def test_no_key_holds_more_than_its_share() -> None:
    turns = Turns(4, share=2)
    tasks = await waiting(turns, "a", "a", "a", "b", None, None)
    assert have_slots(tasks) == [True, True, False, True, True, False]
    turns.release("b")
    await asyncio.wait_for(tasks[5], GUARD_S)
    turns.release("a")
    await asyncio.wait_for(tasks[2], GUARD_S)


async def test_one_that_no_longer_waits_leaves_its_slot_to_others() -> None:
    turns = Turns(1)
    _, left, other = await waiting(turns, "a", "b", "c")
    left.cancel()
    turns.release("a")
    await asyncio.wait_for(other, GUARD_S)
    turns.release("c")
    _, late = await waiting(turns, "a", "b")
    turns.release("a")  # it has the slot, and is cancelled before it runs
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)
    await asyncio.wait_for(turns.acquire("c"), GUARD_S)


async def test_slow_names_of_one_key_leave_lookups_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = threading.Event()

    def look_up(host: str, *_: Any) -> list[Any]:
        if host == "slow":
            end.wait(GUARD_S)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(names, "_slots", Turns(2, share=1))
    current_key.set("slow")
    slow = [asyncio.create_task(names.look_up("slow", 0)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in slow[:3]:
        task.cancel()  # the client has left; its lookup has not ended
    current_key.set("other")
    await asyncio.wait_for(names.look_up("other", 0), GUARD_S)
    end.set()
    await asyncio.gather(*slow, return_exceptions=True)
