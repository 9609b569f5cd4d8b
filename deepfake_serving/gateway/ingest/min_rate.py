"""A minimum data rate of request bodies: slow clients hold connections and space that others need.

It counts as Apache's mod_reqtimeout does (https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html),
with a limit on what a fast client may save up: pauses are limited at any time, not only at first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

from deepfake_serving.contracts.problems import SlowRequest
from deepfake_serving.gateway.settings import MinDataRate

T = TypeVar("T")
Message = MutableMapping[str, Any]


class RateBudget:
    """The seconds that the client of one body may still pause. Received bytes restore them; time
    that the server spends between chunks does not count."""

    def __init__(self, rate: MinDataRate) -> None:
        self._rate, self._left_s = rate, rate.max_pause_s

    async def wait(self, arriving: Awaitable[T], size: Callable[[T], int]) -> T:
        """Awaits the next chunk.

        Args:
            size: returns the bytes of a chunk.

        Raises:
            SlowRequest
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(self._left_s) as timeout:
                chunk = await arriving
        except TimeoutError:
            if not timeout.expired():
                raise
            raise SlowRequest(
                f"the body came with less than {self._rate.min_bytes_per_s} bytes a second, with "
                f"pauses of {self._rate.max_pause_s:g} s in all"
            ) from None
        left = self._left_s - (loop.time() - begun) + size(chunk) / self._rate.min_bytes_per_s
        self._left_s = min(self._rate.max_pause_s, left)
        return chunk


async def enforce_min_rate(
    chunks: AsyncIterator[T], rate: MinDataRate, size: Callable[[T], int]
) -> AsyncIterator[T]:
    """Yields the chunks of a body as long as they arrive fast enough.

    Args:
        size: returns the bytes of a chunk.

    Raises:
        SlowRequest
    """
    budget = RateBudget(rate)

    def size_if_any(chunk: T | None) -> int:
        return 0 if chunk is None else size(chunk)

    while (chunk := await budget.wait(_next(chunks), size_if_any)) is not None:
        yield chunk


async def _next(chunks: AsyncIterator[T]) -> T | None:
    return await anext(chunks, None)


class MinRateReceive:
    """An ASGI `receive` that raises `SlowRequest` when the body arrives too slowly.

    After the body's end it waits for the disconnect without a limit.
    """

    def __init__(self, receive: Callable[[], Awaitable[Message]], rate: MinDataRate) -> None:
        self._receive, self._budget, self._complete = receive, RateBudget(rate), False
        self.received_bytes = 0

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()
        message = await self._budget.wait(self._receive(), lambda m: len(m.get("body", b"")))
        self.received_bytes += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        return message
