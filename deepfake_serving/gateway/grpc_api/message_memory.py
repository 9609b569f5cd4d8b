"""Memory of the messages that gRPC calls hold."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio

from deepfake_serving.contracts.problems import (
    InvalidRequest,
    MessageTooLarge,
    Overloaded,
    SlowRequest,
)

Receive = Callable[[], Awaitable[Any]]
Message = deque[bytes]
"""At most one message. The parser pops it, so that its bytes are freed after parsing."""

_MAX_WAITING = 256
"""Calls that wait for memory."""


class NoMessage(InvalidRequest):
    """The client has ended its messages."""


class MessageMemory:
    """Limits the bytes of messages over all calls.

    gRPC does not say how long a message is before it has arrived. A call therefore reserves the
    longest one before it reads, and keeps what the message needed.
    """

    def __init__(
        self, total: int, longest: int, timeout_s: float, max_bytes: int | None = None
    ) -> None:
        """
        Args:
            total: bytes of all messages; at least one of the longest is always admitted.
            longest: the limit of one message, bytes.
            max_bytes: a message over this is refused once it has arrived, unparsed.
            timeout_s: limits the wait for memory, and then the arrival of the message.
        """
        self.longest, self._free, self._timeout_s = longest, max(total, longest), timeout_s
        self._max_bytes = longest if max_bytes is None else max_bytes
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def read(self, receive: Receive) -> AsyncIterator[Message]:
        """Reads a call's only message, and accounts for it until the block ends.

        Args:
            receive: a call's `context.read`. gRPC's iterator of messages would keep the last one.

        Raises:
            Overloaded: no memory became free.
            MessageTooLarge: the message is over the limit.
            SlowRequest: the message did not arrive in time.
            NoMessage: there is none.
        """
        await self._reserve()
        message, held = Message(), self.longest
        try:
            message.append(await self._next(receive))
            held = len(message[0])
            self._release(self.longest - held)
            if held > self._max_bytes:
                detail = f"the message has {held} bytes; the limit is {self._max_bytes}"
                raise MessageTooLarge(detail)
            yield message
        finally:
            message.clear()
            self._release(held)

    async def _next(self, receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s):
                message = await receive()
        except TimeoutError:
            raise SlowRequest(f"the message did not arrive within {self._timeout_s:g} s") from None
        if message is grpc.aio.EOF:  # type: ignore[attr-defined]  # not in its stubs
            raise NoMessage("the call has no message")
        return bytes(message)

    async def _reserve(self) -> None:
        if self._free >= self.longest and not self._waiting:
            self._free -= self.longest
            return
        if len(self._waiting) >= _MAX_WAITING:
            raise Overloaded("too many large messages at once", retry_after_s=1)
        granted = asyncio.get_running_loop().create_future()
        self._waiting.append(granted)
        try:
            async with asyncio.timeout(self._timeout_s):
                await granted
        except BaseException as error:
            self._withdraw(granted)
            if isinstance(error, TimeoutError):
                raise Overloaded("too many large messages at once", retry_after_s=1) from None
            raise

    def _withdraw(self, granted: asyncio.Future[None]) -> None:
        """Takes a waiting call out of the queue, or returns what it was granted meanwhile."""
        if granted.done() and not granted.cancelled():
            self._release(self.longest)
        elif granted in self._waiting:
            self._waiting.remove(granted)

    def _release(self, size: int) -> None:
        self._free += size
        while self._waiting and self._free >= self.longest:
            granted = self._waiting.popleft()
            if not granted.done():
                self._free -= self.longest
                granted.set_result(None)
