"""How slowly a caller may send: whoever trickles holds connections and room that others need.

As Apache's mod_reqtimeout counts (https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html), with
a bound on what may be saved up: silence is limited at any time, not only at the beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeVar

from deepfake_serving.contracts.problems import SlowRequest

T = TypeVar("T")
Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class MinDataRate:
    """Bytes a second that a body must come with on average, but for pauses of `patience_s`."""

    patience_s: float
    least_bytes_per_s: int


class RateBudget:
    """What is left of it for one body. Only waiting for the caller uses it up; bytes restore it."""

    def __init__(self, pace: MinDataRate) -> None:
        self._pace, self._left_s = pace, pace.patience_s

    async def wait(self, arriving: Awaitable[T], size: Callable[[T], int]) -> T:
        """What arrives next.

        Raises:
            SlowRequest
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(self._left_s) as bound:
                arrived = await arriving
        except TimeoutError:
            if not bound.expired():
                raise
            raise SlowRequest(
                f"the body came with less than {self._pace.least_bytes_per_s} bytes a second, with "
                f"pauses of {self._pace.patience_s:g} s in all"
            ) from None
        left = self._left_s - (loop.time() - begun) + size(arrived) / self._pace.least_bytes_per_s
        self._left_s = min(self._pace.patience_s, left)
        return arrived


async def paced(chunks: AsyncIterator[bytes], pace: MinDataRate) -> AsyncIterator[bytes]:
    """Pieces of a body, as long as they come fast enough.

    Raises:
        SlowRequest
    """
    patience = RateBudget(pace)
    while (chunk := await patience.wait(_next(chunks), lambda c: len(c or b""))) is not None:
        yield chunk


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


class PacedReceive:
    """An ASGI `receive` that raises `SlowRequest` while the body comes too slowly; once that is
    here, it waits for the caller to leave as long as ever."""

    def __init__(self, receive: Callable[[], Awaitable[Message]], pace: MinDataRate) -> None:
        self._receive, self._patience, self._whole = receive, RateBudget(pace), False

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()
        message = await self._patience.wait(self._receive(), lambda m: len(m.get("body", b"")))
        self._whole = not message.get("more_body", False)
        return message
