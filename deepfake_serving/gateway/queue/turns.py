"""Slots of what is slow, such as lookups of host names: the API keys that wait take turns."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from contextvars import ContextVar

current_key: ContextVar[str | None] = ContextVar("current_key", default=None)
"""The API key that the running task works for; None where there are no keys."""


class Turns:
    """A semaphore that no API key takes from the others.

    A free slot goes to the waiting key that holds the fewest. As an asynchronous context manager,
    it holds a slot for `current_key`.
    """

    def __init__(self, total: int, share: int | None = None) -> None:
        """
        Args:
            share: the most that a key holds at once; by default all, which suffices where each is
                soon free again.
        """
        self._free, self._share = total, share or total
        self._held = Counter[str | None]()
        self._waiting = defaultdict[str | None, deque[asyncio.Future[None]]](deque)

    async def acquire(self, key: str | None) -> None:
        """Waits for a slot."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting[key].append(turn)
        self._assign()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it got the slot in the same instant
                self.release(key)
            raise

    def release(self, key: str | None) -> None:
        """Frees a slot that a key holds."""
        self._free += 1
        self._held -= Counter([key])  # drops keys without any
        self._assign()

    def _assign(self) -> None:
        while self._free and (due := self._due()):
            key = min(due, key=lambda key: self._held[key])
            turns = self._waiting.pop(key)
            turn = turns.popleft()
            if turns:
                self._waiting[key] = turns  # after the others
            if not turn.done():  # it has not been cancelled
                turn.set_result(None)
                self._free -= 1
                self._held[key] += 1

    def _due(self) -> list[str | None]:
        """Returns the keys that wait and hold less than their share, the longest waiting first."""
        return [key for key in self._waiting if key is None or self._held[key] < self._share]

    async def __aenter__(self) -> None:
        await self.acquire(current_key.get())

    async def __aexit__(self, *_: object) -> None:
        self.release(current_key.get())
