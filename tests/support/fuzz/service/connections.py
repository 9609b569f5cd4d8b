"""Mutated bytes on plain connections: heads of HTTP/1.1, frames of HTTP/2 and WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import random

from tests.support import http2
from tests.support.fuzz.mutation import header_positions, mutated
from tests.support.fuzz.service.headers import request
from tests.support.fuzz.service.messages import METHODS

_TIMEOUT_S, _RESPONSE_TIMEOUT_S = 60.0, 1.0
_HEADS = (
    b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nX-Request-ID: a\r\n",
    b"GET /v1/jobs?limit=5&cursor=1.0:a&created_from=2026-01-01T00:00:00Z HTTP/1.1\r\n"
    b"Host: localhost\r\nRange: bytes=0-1\r\nLast-Event-ID: 1\r\nAccept-Encoding: gzip\r\n",
    b"POST /v1/images?boxes=relative&explain=true HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Length: 5\r\nPrefer: respond-async, wait=1\r\nX-Request-Timeout: 1e9\r\n",
    b"POST /v2/models/detector/infer HTTP/1.1\r\nHost: localhost\r\n"
    b"Inference-Header-Content-Length: 9\r\nContent-Encoding: gzip\r\nExpect: 100-continue\r\n",
    b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
    b"OPTIONS /v1/images HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n"
    b"Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-api-key\r\n",
)
_BODY = b"5\r\nhello\r\n0\r\n\r\n"
_UPGRADE = (
    b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"X-API-Key: %s\r\n\r\n"
)
_OPCODES = (0, 1, 2, 2, 2, 2, 3, 8, 9, 10, 15)


async def send_head(port: int, key: str, chance: random.Random) -> str:
    """Sends a head with hostile fields or mutated bytes; returns the status, or `closed`."""
    if chance.random() < 0.8:
        return _status(await _send_and_read(port, request(key, chance)))
    head = chance.choice(_HEADS) + b"X-API-Key: " + key.encode() + b"\r\n\r\n"
    received = await _send_and_read(port, mutated(head, [], chance.choice(_HEADS), chance) + _BODY)
    return _status(received)


async def send_frames(port: int, key: str, message: bytes, chance: random.Random) -> str:
    """Sends mutated frames of a call with a key; returns whether frames came back."""
    path = f"/deepfake.v1.Detector/{chance.choice(METHODS).name}"
    frames = http2.call(path.encode(), message, {b"x-api-key": key.encode()})
    whole = mutated(frames, [len(http2.PREFACE), *header_positions(frames)], frames, chance)
    return "frames" if await _send_and_read(port, whole) else "closed"


async def send_websocket(port: int, key: str, image: bytes, chance: random.Random) -> str:
    """Sends mutated frames (RFC 6455) after a valid handshake; returns the handshake's status."""
    frames = b"".join(_websocket_frame(image, chance) for _ in range(chance.randrange(1, 6)))
    if chance.random() < 0.5:
        frames = mutated(frames, [0], frames, chance)
    received = await _send_and_read(port, _UPGRADE % key.encode() + frames)
    return _status(received)


def _status(received: bytes) -> str:
    return received[9:12].decode("latin-1") if received.startswith(b"HTTP/1.1 ") else "closed"


def _websocket_frame(image: bytes, chance: random.Random) -> bytes:
    """Returns a frame, final or not, masked with zeros."""
    opcode = chance.choice(_OPCODES)
    payload = image if opcode < 8 else image[: chance.choice((0, 1, 2, 100, 125))]
    first = opcode | (0x80 if chance.random() < 0.9 else chance.choice((0, 0x40, 0xF0)))
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
    return (
        bytes([first])
        + (length if size < 2**16 else b"\xff" + size.to_bytes(8))
        + bytes(4)
        + payload
    )


async def _send_and_read(port: int, data: bytes) -> bytes:
    """Sends data, and the end of it once there is a response, or none within a second; returns
    what the service sends until it closes.

    An end before the response would mean that nobody waits for it.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    with contextlib.closing(writer), contextlib.suppress(ConnectionError):
        writer.write(data)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RESPONSE_TIMEOUT_S):
                received = await reader.read(2**16)
        with contextlib.suppress(OSError):  # the service has closed it
            writer.write_eof()
        async with asyncio.timeout(_TIMEOUT_S):
            received += await reader.read()
    return received
