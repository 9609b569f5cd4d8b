"""Compressed request bodies (RFC 9110, section 8.4), decoded as they arrive.

A decoded body has the same limits as one that arrives plain. A body that expands more than a
media file does is refused: it costs its sender little, and the service time and space.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepfake_serving.contracts.problems import InvalidRequest, TooLarge
from deepfake_serving.runtime.http_problems import unsupported_coding

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib.decompressobj
_CHUNK_BYTES = 2**18
_MAX_RATIO = 200
"""Most bytes from one; the same as Apache's DeflateInflateRatioLimit."""
_UNLIMITED_BYTES = 2**20
"""Bodies up to this size may expand more, for example JSON of zeros."""


class ContentCodingMiddleware:
    """Decodes request bodies. An unknown coding is a problem where the body is read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (coding := request_coding(Headers(scope=scope))):
            headers = MutableHeaders(scope=scope)
            del headers["Content-Encoding"]
            del headers["Content-Length"]  # it counts compressed bytes
            receive = DecodedReceive(receive, coding)
        await self.app(scope, receive, send)


def request_coding(headers: Headers) -> str:
    """Returns the content coding of a request; "" where its body is as it is.

    Empty list members are ignored (RFC 9110, section 5.6.1).
    """
    codings = ",".join(headers.getlist("Content-Encoding")).lower().split(",")
    return ", ".join(c for each in codings if (c := each.strip()) not in ("", "identity"))


class DecodedReceive:
    """An ASGI `receive` that decodes the body, a bounded chunk at a time."""

    def __init__(self, receive: Callable[[], Awaitable[Message]], coding: str) -> None:
        self._receive, self._coding = receive, coding
        self._input, self._more, self._complete = b"", True, False
        self._received = self._decoded = 0
        self._decoder = zlib.decompressobj(_WINDOW_BITS.get(coding, 31))
        self._full = False

    async def __call__(self) -> Message:
        """
        Raises:
            UnsupportedCoding
            InvalidRequest: the body is not compressed as its header says, or breaks off.
            TooLarge: the body expands too much.
        """
        if self._complete:
            return await self._receive()
        if self._coding not in _WINDOW_BITS:
            raise unsupported_coding(self._coding)
        while True:
            if not self._input and not self._full and self._more:
                message = await self._receive()
                if message["type"] != "http.request":
                    return message
                self._input, self._more = message.get("body", b""), message.get("more_body", False)
                self._received += len(self._input)
            else:
                await asyncio.sleep(0)  # a small body may decode to many chunks
            body = self._decode()
            self._complete = not (self._input or self._full or self._more)
            if self._complete:
                self._check_end()
            if body or self._complete:
                return {"type": "http.request", "body": body, "more_body": not self._complete}

    def _decode(self) -> bytes:
        """Decodes the next chunk, and keeps the input that it does not need."""
        if self._decoder.eof and self._input and self._coding != "deflate":
            self._decoder = zlib.decompressobj(31)  # RFC 1952, section 2.2: another member
        try:
            body = self._decoder.decompress(self._input, _CHUNK_BYTES)
        except zlib.error as error:
            raise InvalidRequest(f"the body is not valid {self._coding}: {error}") from error
        self._input = self._decoder.unused_data or self._decoder.unconsumed_tail
        if self._decoder.eof and self._input and self._coding == "deflate":
            raise InvalidRequest("the body goes on after its deflate data")
        self._full = len(body) == _CHUNK_BYTES
        self._decoded += len(body)
        if self._decoded > max(_UNLIMITED_BYTES, _MAX_RATIO * self._received):
            raise TooLarge(f"the {self._coding} body expands to more than {_MAX_RATIO} times")
        return body

    def _check_end(self) -> None:
        if self._received and not self._decoder.eof:
            raise InvalidRequest(f"the {self._coding} body breaks off before its end")
