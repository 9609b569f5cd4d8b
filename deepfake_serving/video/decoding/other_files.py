"""Files that are certainly no videos, which are refused before they are stored or decoded."""

from __future__ import annotations

import re
from typing import IO

from deepfake_serving.contracts.problems import UnsupportedMediaType
from deepfake_serving.video.decoding.still_images import (
    STILL_BRANDS,
    refuse_unread_image,
    refuse_webp,
    still_image,
)

NO_VIDEO = "not a supported video; playlists, images and documents are not accepted"
START_BYTES = 2**16
"""Bytes by which a file is recognised."""

_DOCUMENT = re.compile(
    rb"%PDF-|PK\x03\x04|\x1f\x8b|\s*<(!doctype|html|\?xml)|#EXTM3U", re.IGNORECASE
)
"""Starts of PDF, ZIP and office documents, gzip, HTML, XML and playlists."""
_BRAND = re.compile(rb"....ftyp(....)", re.DOTALL)
_SOI, _SOS, _EOI = b"\xff\xd8\xff", b"\xda", b"\xff\xd9"
_MAX_JPEG_BYTES, _MAX_SEGMENTS = 64 * 2**20, 1000


def refuse_other_file(file: IO[bytes]) -> None:
    """Refuses a file that is no video, whatever a decoder would say.

    Args:
        file: at its beginning.

    Raises:
        UnsupportedMediaType
    """
    start = file.read(START_BYTES)
    brand = _BRAND.match(start)
    if brand and brand[1].decode("latin-1") in STILL_BRANDS:
        raise still_image("HEIC or AVIF")
    if _DOCUMENT.match(start):
        raise UnsupportedMediaType(NO_VIDEO)
    refuse_webp(start)
    if not start.startswith(_SOI) or is_one_jpeg(start + file.read(_MAX_JPEG_BYTES)):
        refuse_unread_image(start)


def is_one_jpeg(data: bytes) -> bool:
    """Returns whether a file is one JPEG and nothing else; a raw MJPEG stream has more.

    Segments have their lengths before the first scan, where a preview may be (ITU-T T.81, B.1).
    """
    at = len(_SOI) - 1
    for _ in range(_MAX_SEGMENTS):
        if data[at : at + 1] != b"\xff" or data[at + 1 : at + 2] == _SOS:
            break
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return 0 < data.find(_EOI, at) == len(data) - len(_EOI)
