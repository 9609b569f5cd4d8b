"""Boxes of ISO base media files, HEIC and AVIF among them (ISO/IEC 14496-12, 23008-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

MAX_PARTS = 10_000
"""Boxes in a box, items and parts of the data that are read: each costs time."""
_HEADER_BYTES = 8
_META = b"meta"


class Box(NamedTuple):
    """A box: its type, and where its content lies in the file."""

    kind: bytes
    start: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yields the boxes in a part of a file; ends at one that is malformed.

    Raises:
        ValueError: there are too many.
    """
    end = len(data) if end is None else end
    count = 0
    while start + _HEADER_BYTES <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        content = start + _HEADER_BYTES
        if size == 1 and content + 8 <= end:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        if size == 0:
            size = end - start
        if start + size > end or content > start + size:
            return
        count = check_count(count + 1)
        yield Box(kind, content, start + size)
        start += size


def find_boxes(data: bytes, *path: bytes) -> list[Box]:
    """Returns all boxes at a path, such as `meta`, `iloc`."""
    found = [Box(b"", 0, len(data))]
    for kind in path:
        found = [
            box
            for parent in found
            for box in boxes(data, parent.start + 4 * (parent.kind == _META), parent.end)
            if box.kind == kind
        ]
    return found


def check_count(count: int) -> int:
    """Returns the count of some parts.

    Raises:
        ValueError: there are too many.
    """
    if count > MAX_PARTS:
        raise ValueError(f"more than {MAX_PARTS} parts")
    return count


class Fields:
    """Big-endian numbers of a box, one after another."""

    def __init__(self, data: bytes, box: Box) -> None:
        self._data, self._at, self._end = data, box.start, box.end

    def number(self, size: int) -> int:
        """Returns the next number of `size` bytes.

        Raises:
            ValueError: the box ends before.
        """
        at, self._at = self._at, self._at + size
        if self._at > self._end:
            raise ValueError("a box ends too early")
        return int.from_bytes(self._data[at : self._at])


def item_data(data: bytes, kind: bytes) -> Iterator[bytes]:
    """Yields the data of each item of a type, such as `av01`.

    Raises:
        ValueError: a box is malformed, or items are longer than the file.
    """
    left = len(data)
    for meta in find_boxes(data, _META):
        own = list(boxes(data, meta.start + 4, meta.end))
        ids = {each for box in own if box.kind == b"iinf" for each in _items(data, box, kind)}
        idat = next((box.start for box in own if box.kind == b"idat"), 0)
        for box in (box for box in own if box.kind == b"iloc"):
            for item, extents in _locations(Fields(data, box), len(data), idat):
                if item in ids:
                    left -= sum(end - start for start, end in extents)
                    if left < 0:
                        raise ValueError("the items are longer than the file")
                    yield b"".join(data[start:end] for start, end in extents)


def _items(data: bytes, iinf: Box, kind: bytes) -> Iterator[int]:
    """Yields the ids of the items of a type."""
    counted = 6 if data[iinf.start : iinf.start + 1] == b"\0" else 8
    for box in boxes(data, iinf.start + counted, iinf.end):
        fields = Fields(data, box)
        version = fields.number(4) >> 24
        item = fields.number(4 if version == 3 else 2)
        fields.number(2)
        if fields.number(4).to_bytes(4) == kind:
            yield item


def _locations(fields: Fields, size: int, idat: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yields the id of each item, and where its parts start and end in the file."""
    version = fields.number(4) >> 24
    sizes = fields.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    for _ in range(check_count(fields.number(4 if version == 2 else 2))):
        item = fields.number(4 if version == 2 else 2)
        in_idat = bool(version and fields.number(2) & 15 == 1)
        fields.number(2)
        base = fields.number(base_size) + (idat if in_idat else 0)
        extents = []
        for _ in range(check_count(fields.number(2))):
            fields.number(index_size)
            start = base + fields.number(offset_size)
            length = fields.number(length_size) or size - start
            extents.append((start, max(start, min(start + length, size))))
        yield item, extents
