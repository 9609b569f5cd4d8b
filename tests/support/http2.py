"""Frames of HTTP/2 that no client library would send."""

from __future__ import annotations

from collections.abc import Mapping

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Returns a frame (RFC 9113, 4.1)."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def header_block(headers: Mapping[bytes, bytes]) -> bytes:
    """Returns headers as literals that are not indexed (RFC 7541, 6.2.2)."""
    return b"".join(
        b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
        for name, value in headers.items()
    )


def call(path: bytes, message: bytes, headers: Mapping[bytes, bytes]) -> bytes:
    """Returns the bytes of a connection with one gRPC call.

    Args:
        headers: further headers, or other values of those that a call has.
    """
    usual = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": path,
        b":authority": b"localhost",
        b"te": b"trailers",
        b"content-type": b"application/grpc",
        b"grpc-timeout": b"20S",
    }
    data = b"\0" + len(message).to_bytes(4) + message
    return (
        PREFACE
        + frame(_SETTINGS, 0, 0, b"")
        + frame(_HEADERS, _END_HEADERS, 1, header_block(usual | dict(headers)))
        + frame(_DATA, _END_STREAM, 1, data[: 2**14])
    )
