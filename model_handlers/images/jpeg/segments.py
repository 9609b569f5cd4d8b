"""The segments of a JPEG (ITU-T T.81, annex B), as far as they are complete."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

SCAN = 0xDA
FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of a frame header, one for each process of coding."""
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length (B.1.1.3)."""
_HEADER_BYTES = 4


class Segment(NamedTuple):
    """A segment with a length. A scan's entropy-coded data lie between `body_end` and `end`."""

    marker: int
    body: bytes
    body_end: int
    end: int


def segments(data: bytes) -> Iterator[Segment]:
    """Yields the segments whose headers are complete; the data of the last scan may be cut."""
    at = 2
    while at + _HEADER_BYTES <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _BARE_MARKERS:
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        body_end = at + 2 + length
        if body_end > len(data):
            return
        end = _end_of_scan(data, body_end) if marker == SCAN else body_end
        yield Segment(marker, data[at + _HEADER_BYTES : body_end], body_end, end)
        at = end


def _end_of_scan(data: bytes, at: int) -> int:
    """Returns where the next marker after entropy-coded data begins."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data) if at < 0 else at
        if data[at + 1] and data[at + 1] not in _BARE_MARKERS and data[at + 1] != 0xFF:
            return at
        at += 1
