"""An asyncio queue of limited size that drops its oldest item when it is full."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class NewestQueue(Generic[T]):
    """Holds the newest items for one consumer, so that a slow one is never far behind."""

    def __init__(
        self,
        maxsize: int,
        replace: Callable[[T, T], T] = lambda _old, new: new,
        on_drop: Callable[[], object] = lambda: None,
    ) -> None:
        """Creates an empty queue.

        Args:
            replace: Called with a dropped item and the new one; returns the item to enqueue.
            on_drop: Called after each dropped item.
        """
        self._maxsize, self._replace, self._on_drop = maxsize, replace, on_drop
        self._items: deque[T] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> None:
        """Adds an item, and drops the oldest one if the queue is full."""
        if len(self._items) >= self._maxsize:
            item = self._replace(self._items.popleft(), item)
            self.dropped += 1
            self._on_drop()
        self._items.append(item)
        self._changed.set()

    def close(self) -> None:
        """Ends the queue after the items it holds."""
        self._closed = True
        self._changed.set()

    async def get(self) -> T | None:
        """Waits for the next item; None after the last."""
        while not self._items:
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._items.popleft()
