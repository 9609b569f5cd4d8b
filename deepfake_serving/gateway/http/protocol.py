"""HTTP/1.1 with limits of a request's head and of the client's pauses, which uvicorn lacks."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deepfake_serving.gateway.http.connections import ConnectionTable

MAX_HEAD_BYTES = 64 * 1024
"""Limit of the request line with all header fields, and of the trailer of a chunked body."""


class LimitedHeadProtocol(HttpToolsProtocol):
    """Refuses a longer head with 431 (RFC 6585, section 5), and closes connections of clients that
    send no head or read no response.

    The parser joins the parts of one field again with each read, so that a field of 100 MB blocks
    the event loop for a minute.
    """

    def __init__(
        self, *args: Any, table: ConnectionTable, stall_timeout_s: float = 30.0, **options: Any
    ) -> None:
        """
        Args:
            table: the connections of the server.
            stall_timeout_s: limits the time of a head, and of one pause in reading a response.
        """
        super().__init__(*args, **options)
        self._table, self._stall_timeout_s = table, stall_timeout_s
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._bytes_without_body = 0
        """Bytes since the last part of a body, or since the last request."""

    def data_received(self, data: bytes) -> None:
        """Parses a part of a request, up to 256 KiB."""
        if self._bytes_without_body > MAX_HEAD_BYTES:
            return
        self._bytes_without_body += len(data)
        super().data_received(data)
        if self._bytes_without_body > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse()
        elif self._is_idle() and self._head_timer is None:
            self._expect_head()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expects a head; uvicorn would wait for ever."""
        super().connection_made(transport)
        self._expect_head()
        self._table.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the timers."""
        self._stop_head_timer()
        if self._write_timer is not None:
            self._write_timer.cancel()
        self._table.closed(self)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Expects the rest of a head."""
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Starts a request."""
        self._stop_head_timer()
        self._table.busy(self)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Ends a response; the connection is idle until the next request."""
        has_next = bool(self.pipeline)
        super().on_response_complete()
        if not (has_next or self.transport.is_closing()):
            self._table.idle(self)

    def handle_websocket_upgrade(self) -> None:
        """Passes the connection on; live sessions have a limit of their own."""
        self._table.closed(self)
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        """Limits the time in which the client reads what is buffered for it."""
        self._write_timer = self.loop.call_later(self._stall_timeout_s, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Ends that time."""
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().resume_writing()

    def _is_idle(self) -> bool:
        """Returns whether bytes arrived after a response: the rest of a body that the handler did
        not read, or empty lines. They ended uvicorn's keep-alive timeout, and nothing starts it
        again, however long the client then waits or goes on."""
        is_http = self.transport.get_protocol() is self
        return is_http and self.cycle is not None and self.cycle.response_complete

    def _expect_head(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(self._stall_timeout_s, self.transport.abort)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_body(self, body: bytes) -> None:
        """Passes on a part of a body."""
        self._bytes_without_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends a request; the next head counts from here."""
        self._bytes_without_body = 0
        super().on_message_complete()

    def _refuse(self) -> None:
        text = f"the head of the request is longer than {MAX_HEAD_BYTES} bytes\n".encode()
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
            b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(text), text)
        )
        self.transport.close()
