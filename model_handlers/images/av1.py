"""The size of AV1 frames, as their sequence header states it (AV1 specification, 5.5).

A decoder allocates frames of this size, whatever the container states, and then scales them.
"""

from __future__ import annotations

from collections.abc import Iterator

from model_handlers.images.boxes import Fields, check_count, find_boxes, item_data

_SEQUENCE_HEADER = 1
_STBL = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def largest_frame(data: bytes) -> tuple[int, int] | None:
    """Returns width and height of the largest frame that an AVIF file may decode to.

    Returns:
        None where no sequence header is found.

    Raises:
        ValueError: a box or a sequence header is malformed.
    """
    sizes = [size for item in item_data(data, b"av01") for size in _sizes(item)]
    for kind, offset_bytes in ((b"stco", 4), (b"co64", 8)):
        for box in find_boxes(data, *_STBL, kind):
            fields = Fields(data, box)
            fields.number(4)
            if fields.number(4):
                sizes += _sizes(data[fields.number(offset_bytes) :], first=True)
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _sizes(units: bytes, *, first: bool = False) -> Iterator[tuple[int, int]]:
    """Yields the sizes in the sequence headers among OBUs (5.3), or in the first of these."""
    at = count = 0
    while at < len(units):
        count = check_count(count + 1)
        header = units[at]
        at += 2 if header & 4 else 1
        length = len(units) - at
        if header & 2:
            length, at = _leb128(units, at)
        if header >> 3 & 15 == _SEQUENCE_HEADER:
            yield _frame_size(_Bits(units[at : at + length]))
            if first:
                return
        at += length


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Returns a number (4.10.5), and where it ends."""
    value = 0
    for shift in range(0, 56, 7):
        byte = data[at] if at < len(data) else 0
        at += 1
        value |= (byte & 127) << shift
        if not byte & 128:
            break
    return value, at


class _Bits:
    """Numbers of some bits each, one after another."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data[:256]), 8 * min(len(data), 256)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("a sequence header ends too early")
        return self._value >> self._left & ((1 << count) - 1)

    def skip_uvlc(self) -> None:
        """Skips a number of variable length (4.10.3)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        self.take(min(zeros, 32))


def _frame_size(bits: _Bits) -> tuple[int, int]:
    bits.take(4)  # profile, still_picture
    if bits.take(1):  # reduced_still_picture_header
        bits.take(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1


def _skip_operating_points(bits: _Bits) -> None:
    """Skips timing, decoder model and operating points."""
    delay_bits = 0
    if bits.take(1):
        bits.take(64)
        if bits.take(1):
            bits.skip_uvlc()
        if bits.take(1):
            delay_bits = bits.take(5) + 1
            bits.take(42)
    displays_later = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if displays_later and bits.take(1):
            bits.take(4)
