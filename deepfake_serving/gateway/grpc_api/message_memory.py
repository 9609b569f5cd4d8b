"""Memory of the messages that gRPC calls hold."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
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
    longest one before it reads, and keeps what the message needed. Nor does it say how much of a
    message has arrived: one that is slow may take the time of the longest one, but only while no
    other call waits for its memory.
    """

    def __init__(
        self,
        total: int,
        longest: int,
        timeout_s: float,
        max_bytes: int | None = None,
        min_bytes_per_s: int | None = None,
    ) -> None:
        """
        Args:
            total: bytes of all messages; at least one of the longest is always admitted.
            longest: the limit of one message, bytes.
            max_bytes: a message over this is refused once it has arrived, unparsed.
            timeout_s: limits the wait for memory, and then the arrival of the message.
            min_bytes_per_s: adds to that the time of the message's bytes at this rate.
        """
        self.longest, self._free, self._timeout_s = longest, max(total, longest), timeout_s
        self._max_bytes = longest if max_bytes is None else max_bytes
        self._min_bytes_per_s = min_bytes_per_s
        self._waiting: deque[tuple[asyncio.Future[None], str | None]] = deque()
        self._arriving: dict[asyncio.Timeout, float] = {}
        self._share, self._held = max(self._free // 2, longest), Counter[str | None]()

    @asynccontextmanager
    async def read(self, receive: Receive, owner: str | None = None) -> AsyncIterator[Message]:
        """Reads a call's only message, and accounts for it until the block ends.

        Args:
            owner: the API key of the call. One may hold half of the memory.
            receive: a call's `context.read`. gRPC's iterator of messages would keep the last one.

        Raises:
            Overloaded: no memory became free.
            MessageTooLarge: the message is over the limit.
            SlowRequest: the message did not arrive in time.
            NoMessage: there is none.
        """
        await self._reserve(owner)
        message, held = Message(), self.longest
        try:
            message.append(await self._next(receive))
            held = len(message[0])
            self._release(self.longest - held, owner)
            if held > self._max_bytes:
                detail = f"the message has {held} bytes; the limit is {self._max_bytes}"
                raise MessageTooLarge(detail)
            yield message
        finally:
            message.clear()
            self._release(held, owner)

    async def _next(self, receive: Receive) -> bytes:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(self._allowed_s(self.longest)) as timeout:
                self._arriving[timeout] = begun
                self._hurry()
                try:
                    message = await receive()
                finally:
                    del self._arriving[timeout]
        except TimeoutError:
            taken_s = loop.time() - begun
            raise SlowRequest(f"the message did not arrive within {taken_s:.3g} s") from None
        if message is grpc.aio.EOF:  # type: ignore[attr-defined]  # not in its stubs
            raise NoMessage("the call has no message")
        if loop.time() - begun > self._allowed_s(len(message)):
            raise SlowRequest(f"the message came with less than {self._min_bytes_per_s} bytes/s")
        return bytes(message)

    def _allowed_s(self, size: int) -> float:
        """Returns how long a message of that many bytes may take."""
        rate = self._min_bytes_per_s
        return self._timeout_s + (size / rate if rate else 0.0)

    def _hurry(self) -> None:
        """Limits arriving messages to the timeout alone while other calls wait for memory."""
        if self._waiting:
            for timeout, begun in self._arriving.items():
                if timeout.expired():
                    continue
                timeout.reschedule(min(timeout.when() or begun, begun + self._timeout_s))

    async def _reserve(self, owner: str | None) -> None:
        if not self._waiting and self._fits(owner):
            self._take(owner)
            return
        if len(self._waiting) >= _MAX_WAITING:
            raise Overloaded("too many large messages at once", retry_after_s=1)
        granted = asyncio.get_running_loop().create_future()
        self._waiting.append((granted, owner))
        self._hurry()
        self._grant()
        try:
            async with asyncio.timeout(self._timeout_s):
                await granted
        except BaseException as error:
            self._withdraw(granted, owner)
            if isinstance(error, TimeoutError):
                raise Overloaded("too many large messages at once", retry_after_s=1) from None
            raise

    def _fits(self, owner: str | None) -> bool:
        within = owner is None or self._held[owner] + self.longest <= self._share
        return within and self._free >= self.longest

    def _take(self, owner: str | None) -> None:
        self._free -= self.longest
        self._held[owner] += self.longest

    def _withdraw(self, granted: asyncio.Future[None], owner: str | None) -> None:
        """Takes a waiting call out of the queue, or returns what it was granted meanwhile."""
        if granted.done() and not granted.cancelled():
            self._release(self.longest, owner)
        elif (granted, owner) in self._waiting:
            self._waiting.remove((granted, owner))

    def _release(self, size: int, owner: str | None) -> None:
        self._free += size
        self._held[owner] -= size
        if not self._held[owner]:
            del self._held[owner]
        self._grant()

    def _grant(self) -> None:
        """Grants memory in the order of arrival; calls of keys over their share are passed over."""
        for waiting in list(self._waiting):
            granted, owner = waiting
            if self._free < self.longest:
                return
            if granted.done():
                self._waiting.remove(waiting)
            elif self._fits(owner):
                self._waiting.remove(waiting)
                self._take(owner)
                granted.set_result(None)
