"""WebSockets with limits of what clients send unread and leave unread, which uvicorn lacks."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MAX_AFTER_END_BYTES = 2**20
"""Bytes that may arrive after the end: the frames that were on their way, and the reply to it."""


class LimitedWebSocketProtocol(WebSocketsSansIOProtocol):
    """Reads no frame before a handler waits for one, so that a client without a key holds no
    memory, and closes connections whose clients do not read, or go on sending after the end."""

    def __init__(self, *args: Any, stall_timeout_s: float = 30.0, **options: Any) -> None:
        """`stall_timeout_s` limits one pause in reading what is sent."""
        super().__init__(*args, **options)
        self._stall_timeout_s = stall_timeout_s
        self._write_timer: asyncio.TimerHandle | None = None
        self._bytes_after_end = 0

    def data_received(self, data: bytes) -> None:
        """Parses a part of a frame."""
        if self.close_sent:
            self._bytes_after_end += len(data)
            if self._bytes_after_end > MAX_AFTER_END_BYTES:
                self.transport.abort()
                return
        super().data_received(data)

    async def send(self, message: Any) -> None:
        """Sends a message of the handler."""
        await super().send(message)
        if message["type"] == "websocket.accept" and not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()
        elif message["type"] == "websocket.close":
            self._abort_after_end()
        elif message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True  # uvicorn would call the refusal a defect, and add a 500
            self._abort_after_end()

    async def receive(self) -> Any:
        """Returns the next message of the client."""
        if self.read_paused and self.queue.empty() and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()
        return await super().receive()

    def keepalive_timeout(self) -> None:
        """Ends the connection of a client that does not respond."""
        super().keepalive_timeout()
        self._abort_after_end()

    def pause_writing(self) -> None:
        """Limits the time in which the client reads what is buffered for it."""
        self._write_timer = self.loop.call_later(self._stall_timeout_s, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Ends that time."""
        self._stop_write_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the timer."""
        self._stop_write_timer()
        super().connection_lost(exc)

    def _abort_after_end(self) -> None:
        """Limits the time until the client has read the end, for which closing alone would wait."""
        self.loop.call_later(self.close_timeout, self.transport.abort)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
