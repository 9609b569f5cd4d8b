"""Parts that are analysed with the one before, as one result: they cost no start and no seek."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

Joins = Callable[[int], Coroutine[Any, Any, bool]]
"""Decides, where a part ends, whether the part of this number is joined to it."""


async def alone(_: int) -> bool:
    """Analyses each part by itself."""
    return False


class Joining:
    """Calls `joins`, which runs in an event loop, for a reader in another thread."""

    def __init__(self, joins: Joins) -> None:
        self._joins, self._loop = joins, asyncio.get_running_loop()
        self._decision: Future[bool] | None = None
        self._stopped = False
        self.parts: list[int] = []
        """The parts that were joined."""

    def joined(self, number: int) -> bool:
        """Returns whether a part is joined.

        Raises:
            concurrent.futures.CancelledError: `stop` was called.
        """
        self._decision = asyncio.run_coroutine_threadsafe(self._joins(number), self._loop)
        if self._stopped:
            self._decision.cancel()
        if not self._decision.result():
            return False
        self.parts.append(number)
        return True

    def stop(self) -> None:
        """Ends the wait for a decision."""
        self._stopped = True
        if self._decision is not None:
            self._decision.cancel()
