"""Mutations of encoded media, many of them in the headers of containers and codecs."""

from __future__ import annotations

import random
import re
import struct
import zlib

_NUMBERS = (0, 1, 2, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_HEADERS = re.compile(
    rb"ftyp|moov|mvhd|tkhd|elst|mdhd|hdlr|stsd|stts|ctts|stss|stsc|stsz|stco|avcC|hvcC|av1C|vpcC|"
    rb"colr|pasp|mdcv|meta|iloc|iprp|ispe|ipma|irot|imir|pixi|grid|trun|tfhd|moof|"
    rb"\0\0\x01[^\0]|\xff[\xc0\xc2\xc4\xda\xdb\xdd\xe1\xe2]|IHDR|PLTE|acTL|fcTL|fdAT|iCCP|cICP|"
    rb"gAMA|cHRM|VP8[ LX]|ALPH|ANIM|ANMF|strh|strf|avih|idx1|onMetaData|\x1aE\xdf\xa3|\x16T\xaek|"
    rb"\x1fC\xb6u|\xae|\x83|\xe0|\x9d\x01\x2a|\x47[\x40-\x5f]|!\xf9\x04|!\xff\x0b|OggS|icpf|BBCD",
    re.DOTALL,
)
"""Starts of boxes, chunks, segments and parameter sets."""
_HEADER_SHARE, _HEADER_BYTES = 0.4, 48
_PNG, _REPAIRED_SHARE = b"\x89PNG\r\n\x1a\n", 0.8


def header_positions(data: bytes) -> list[int]:
    """Returns where headers of a container or a codec start."""
    return [match.start() for match in _HEADERS.finditer(data)]


def mutated(data: bytes, headers: list[int], other: bytes, chance: random.Random) -> bytes:
    """Returns the data with one to eight changes, most of them near the start or in a header.

    Args:
        headers: Positions of headers in the data.
        other: Data from which parts are inserted.
    """
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        _mutate(changed, _position(changed, headers, chance), other, chance)
    if changed.startswith(_PNG) and chance.random() < _REPAIRED_SHARE:
        _repair_checksums(changed)
    return bytes(changed)


def _repair_checksums(png: bytearray) -> None:
    """Sets the checksums of a PNG's chunks, without which hardly a change gets past its reader."""
    at = len(_PNG)
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4])
        if end + 4 > len(png):
            return
        png[end : end + 4] = struct.pack(">I", zlib.crc32(png[at + 4 : end]))
        at = end + 4


def _position(data: bytearray, headers: list[int], chance: random.Random) -> int:
    last = max(len(data) - 4, 0)
    if headers and chance.random() < _HEADER_SHARE:
        return min(last, chance.choice(headers) + chance.randrange(_HEADER_BYTES))
    return int(last * chance.random() ** 3)


def _mutate(data: bytearray, at: int, other: bytes, chance: random.Random) -> None:
    length = chance.choice((1, 2, 4, 16, 200))
    match chance.randrange(7):
        case 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        case 1:
            number = chance.choice(_NUMBERS)
            form = chance.choice((">I", "<I"))
            data[at : at + 4] = struct.pack(form, number)
        case 2:
            data[at : at + length] = chance.randbytes(length)
        case 3:
            del data[at : at + length]
        case 4:
            data[at:at] = data[at : at + length]
        case 5:
            start = chance.randrange(len(other))
            data[at : at + length] = other[start : start + length]
        case 6 if chance.random() < 0.3:
            del data[chance.randrange(len(data) + 1) :]
        case _:
            if data:
                data[min(at, len(data) - 1)] ^= 1 << chance.randrange(8)
