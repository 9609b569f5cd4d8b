"""JPEGs that end too early, read as viewers read them: as far as they go."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

_END = b"\xff\xd9"
_SCAN = 0xDA
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length (ITU-T T.81, B.1.1.3)."""


def closed(data: bytes) -> bytes:
    """Returns a JPEG that was cut short with an end: its last segment is dropped if incomplete."""
    return data[: _complete_length(data)] + _END


def share_read(pixels: npt.NDArray[Any]) -> float:
    """Returns the share of lines, 0 to 1, above those that repeat one colour to the end.

    A decoder continues with the last colour where data are missing.

    Args:
        pixels: (h, w) or (h, w, n), as stored.
    """
    rows = pixels.reshape(len(pixels), -1)
    same = (rows == rows[-1]).all(axis=1)
    if not (pixels[-1] == pixels[-1, :1]).all():
        return 1.0
    read = len(rows) - int(np.argmin(same[::-1])) if not same.all() else 0
    return read / len(rows)


def _complete_length(data: bytes) -> int:
    """Returns the length up to the end of the last complete segment or scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _BARE_MARKERS:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if at + 2 + length > len(data):
            return at
        at += 2 + length
        if marker == _SCAN:
            at = _end_of_scan(data, at)
    return min(at, len(data)) if len(data) - at < 4 else len(data)


def _end_of_scan(data: bytes, at: int) -> int:
    """Returns where the next marker after entropy-coded data begins."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data) if at < 0 else at
        if data[at + 1] and data[at + 1] not in _BARE_MARKERS and data[at + 1] != 0xFF:
            return at
        at += 1
