"""The NAL units of a codec's configuration, as containers store it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_START_CODE = re.compile(rb"\x00\x00\x01")
_EMULATION = re.compile(rb"\x00\x00\x03")


def h264_units(extradata: bytes) -> Iterator[bytes]:
    """Yields the sequence parameter sets of an `avcC` box, or all units of a byte stream.

    See ISO/IEC 14496-15, 5.3.3.1, and ITU-T H.264, annex B.
    """
    if not extradata.startswith(b"\x01"):
        yield from _byte_stream(extradata)
    elif len(extradata) > 6:
        for unit in _with_lengths(extradata, 6, extradata[5] & 31):
            yield unescaped(unit)


def hevc_units(extradata: bytes) -> Iterator[bytes]:
    """Yields the units of an `hvcC` box, or of a byte stream.

    See ISO/IEC 14496-15, 8.3.3.1, and ITU-T H.265, annex B.
    """
    if not extradata.startswith(b"\x01"):
        yield from _byte_stream(extradata)
        return
    at = 23
    while at + 3 <= len(extradata):
        count = int.from_bytes(extradata[at + 1 : at + 3])
        at += 3
        for unit in _with_lengths(extradata, at, count):
            at += 2 + len(unit)
            yield unescaped(unit)


def unescaped(unit: bytes) -> bytes:
    """Removes the bytes that keep a unit from containing a start code (ITU-T H.264, 7.4.1)."""
    return _EMULATION.sub(b"\x00\x00", unit)


def _byte_stream(data: bytes) -> Iterator[bytes]:
    for unit in _START_CODE.split(data)[1:]:
        yield unescaped(unit)


def _with_lengths(data: bytes, at: int, count: int) -> Iterator[bytes]:
    for _ in range(count):
        length = int.from_bytes(data[at : at + 2])
        if not length:
            return
        yield data[at + 2 : at + 2 + length]
        at += 2 + length
