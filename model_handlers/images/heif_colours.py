"""The colours that AVIF and HEIC state by code points, as HDR photos do (ISO/IEC 23008-12, 6.5.5).

An image with an ICC profile as well has the colours of its profile (ISO/IEC 23000-22, 7.3.6.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_handlers.images.boxes import Box, Fields, boxes, check_count, find_boxes
from model_handlers.images.code_points import coded_profile

_UNSPECIFIED = 2
_SRGB_PRIMARIES, _SRGB_TRANSFER = 1, 13
_NCLX = b"nclx"


def heic_profile(info: Mapping[Any, Any]) -> bytes | None:
    """Returns the ICC profile of the code points that pi_heif read; None if there are none."""
    nclx = info.get("nclx_profile")
    if not isinstance(nclx, dict):
        return None
    return _profile(nclx["color_primaries"], nclx["transfer_characteristics"])


def avif_profile(data: bytes) -> bytes | None:
    """Returns the ICC profile of the code points of the primary image; None if there are none.

    Raises:
        ValueError: a box is malformed.
    """
    for meta in find_boxes(data, b"meta")[:1]:
        for box in _properties(data, meta):
            if box.kind == b"colr" and data[box.start : box.start + 4] == _NCLX:
                fields = Fields(data, box)
                fields.number(4)
                return _profile(fields.number(2), fields.number(2))
    return None


def _profile(primaries: int, transfer: int) -> bytes | None:
    return coded_profile(
        _SRGB_PRIMARIES if primaries == _UNSPECIFIED else primaries,
        _SRGB_TRANSFER if transfer == _UNSPECIFIED else transfer,
    )


def _properties(data: bytes, meta: Box) -> list[Box]:
    """Returns the properties of the primary image."""
    own = {box.kind: box for box in boxes(data, meta.start + 4, meta.end)}
    if not own.keys() >= {b"pitm", b"iprp"}:
        return []
    fields = Fields(data, own[b"pitm"])
    primary = fields.number(2 if fields.number(4) >> 24 == 0 else 4)
    parts = list(boxes(data, own[b"iprp"].start, own[b"iprp"].end))
    known = [each for box in parts if box.kind == b"ipco" for each in boxes(data, *box[1:])]
    indices = [
        index
        for box in parts
        if box.kind == b"ipma"
        for index in _indices(Fields(data, box), primary)
    ]
    return [known[index - 1] for index in indices if 0 < index <= len(known)]


def _indices(fields: Fields, item: int) -> list[int]:
    """Returns the indices of the properties of an item, from 1, in an `ipma` box."""
    head = fields.number(4)
    id_size, size = 2 if head >> 24 == 0 else 4, 2 if head & 1 else 1
    for _ in range(check_count(fields.number(4))):
        found = fields.number(id_size) == item
        count = fields.number(1)
        if found:
            return [fields.number(size) & (0x7FFF if size == 2 else 0x7F) for _ in range(count)]
        fields.number(size * count)
    return []
