"""Parts of an encoded image that cost time each, counted before it is decoded."""

from __future__ import annotations

import re
import struct

from deepfake_serving.contracts.problems import UndecodableMedia

_MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")
"""A marker that ends entropy-coded data, and is not a restart (ITU-T T.81, B.1.1.3)."""
_END, _SCAN = 0xD9, 0xDA
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNK_BYTES = 12
"""Bytes of a chunk besides its data: length, type and CRC (PNG, 5.3)."""


def check_parts(data: bytes, max_scans: int, max_chunks: int) -> None:
    """Checks the scans of a JPEG and the chunks of a PNG. Other formats pass.

    A progressive JPEG is decoded once a scan, and a scan has as few as 14 bytes.

    Raises:
        UndecodableMedia: more than the limit, which the message states.
    """
    if data.startswith(b"\xff\xd8") and count_scans(data, max_scans) > max_scans:
        raise UndecodableMedia(f"the JPEG has more scans than the limit of {max_scans}")
    if data.startswith(_PNG) and count_chunks(data, max_chunks) > max_chunks:
        raise UndecodableMedia(f"the PNG has more chunks than the limit of {max_chunks}")


def count_scans(data: bytes, limit: int) -> int:
    """Returns the number of scans of a JPEG's first image, up to one more than `limit`.

    What segments contain, and what follows the end of the image, does not count.
    """
    scans, at = 0, 2
    while scans <= limit and (marker := _MARKER.search(data, at)) is not None:
        kind, at = marker[0][1], marker.end()
        if kind == _END:
            break
        scans += kind == _SCAN
        at += int.from_bytes(data[at : at + 2])
    return scans


def count_chunks(data: bytes, limit: int) -> int:
    """Returns the number of chunks of a PNG, up to one more than `limit`."""
    chunks, at = 0, len(_PNG)
    while chunks <= limit and at + _PNG_CHUNK_BYTES <= len(data):
        chunks += 1
        (length,) = struct.unpack_from(">I", data, at)
        at += length + _PNG_CHUNK_BYTES
    return chunks
