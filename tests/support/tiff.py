"""Writes TIFFs by hand (TIFF 6.0), also of kinds that Pillow does not write."""

from __future__ import annotations

import struct

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
UNSIGNED, SIGNED, FLOATING_POINT = 1, 2, 3


def tiff(
    width: int,
    height: int,
    bits: int,
    kind: int,
    planes: list[bytes],
    order: str = "<",
    *,
    samples: int = UNSIGNED,
    compression: int = 1,
) -> bytes:
    """Returns an uncompressed file.

    Args:
        bits: Of a sample.
        kind: The photometric interpretation.
        planes: The samples of each channel.
        order: Of the bytes, `<` or `>`.
        samples: Their format: unsigned, signed or floating-point.
        compression: The number that the file states.
    """
    offset = 8 + sum(map(len, planes))
    starts = [8 + sum(map(len, planes[:number])) for number in range(len(planes))]
    entries: dict[int, tuple[int, list[int]]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits] * len(planes)),
        259: (3, [compression]),
        262: (3, [kind]),
        273: (4, starts),
        277: (3, [len(planes)]),
        278: (4, [height]),
        279: (4, list(map(len, planes))),
        284: (3, [2]),
        339: (3, [samples] * len(planes)),
    }
    table = struct.pack(f"{order}H", len(entries))
    extra = b""
    after = offset + 2 + 12 * len(entries) + 4
    for tag, (form, values) in entries.items():
        packed = struct.pack(f"{order}{len(values)}{'H' if form == 3 else 'I'}", *values)
        if len(packed) > 4:
            extra, packed = extra + packed, struct.pack(f"{order}I", after + len(extra))
        table += struct.pack(f"{order}HHI4s", tag, form, len(values), packed)
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, offset)
    return head + b"".join(planes) + table + bytes(4) + extra
