"""Limits on the fields of a message, checked on its bytes before it is parsed.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from deepfake_serving.contracts.problems import InvalidRequest, TooLarge

_MAX_OTHER_FIELDS = 64
"""Top-level fields of any other number."""
_MAX_VARINT_BYTES = 10
_VARINT, _FIXED64, _LENGTH, _GROUP, _GROUP_END, _FIXED32 = range(6)


def check_items(data: bytes, field: int, max_items: int, what: str) -> None:
    """Checks how often a repeated field occurs. The walk ends at the first field over the limit.

    An empty item has two bytes on the wire and a hundred times that once it is an object.

    Args:
        field: the number of the repeated field.
        what: the items' name in the message of the error.

    Raises:
        TooLarge: more than `max_items` items; InvalidRequest: too many other fields.
    """
    items = others = position = 0
    while 0 <= position < len(data):
        number, position = _skip_field(data, position)
        items += number == field
        others += number != field
        if items > max_items:
            raise TooLarge(f"more than {max_items} {what} in one request, which is the limit")
        if others > _MAX_OTHER_FIELDS:
            raise InvalidRequest(f"the message has more than {_MAX_OTHER_FIELDS} other fields")


def _skip_field(data: bytes, position: int) -> tuple[int, int]:
    """Returns a field's number and the position after it, -1 where the bytes are malformed."""
    tag, position = _varint(data, position)
    kind = tag & 7
    if kind == _VARINT:
        _, position = _varint(data, position)
    elif kind == _LENGTH:
        length, position = _varint(data, position)
        position += length if position >= 0 else 0
    elif kind in (_FIXED64, _FIXED32):
        position += 8 if kind == _FIXED64 else 4
    elif kind not in (_GROUP, _GROUP_END):
        position = -1
    return tag >> 3, position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Returns a varint and the position after it, -1 where the bytes are malformed."""
    value = 0
    if position < 0:
        return 0, -1
    for count, byte in enumerate(data[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 127) << (7 * count)
        if byte < 128:
            return value, position + count + 1
    return 0, -1
