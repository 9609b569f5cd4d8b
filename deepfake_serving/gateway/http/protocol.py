"""HTTP/1.1 with a limit on the head of a request, which uvicorn has for h11 only."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""Limit of the request line with all header fields, and of the trailer of a chunked body."""


class LimitedHeadProtocol(HttpToolsProtocol):
    """Refuses a longer head with 431 (RFC 6585, section 5).

    The parser joins the parts of one field again with each read, so that a field of 100 MB blocks
    the event loop for a minute.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
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
