"""Images whose parts would cost minutes are refused before they are decoded."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from deepfake_serving.contracts.problems import UndecodableMedia
from model_handlers.images.decoding_cost import count_chunks, count_scans
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode

SPEC = DecodeSpec()
SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x10" + bytes(4)
"""A scan of one grey component that refines no coefficient."""
END = b"\xff\xd9"


def encode(pixels: Pixels, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert("L").save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_jpeg_of_thousands_of_scans_is_refused(astronaut: Pixels) -> None:
    """5,000 scans took 23 s, and two images of 7,000 killed both workers."""
    data = encode(astronaut, "JPEG", progressive=True)
    with pytest.raises(UndecodableMedia, match="more scans than the limit of 100"):
        decode(data[:-2] + SCAN * 5000 + END, SPEC)


def test_a_png_of_very_many_chunks_is_refused(astronaut: Pixels) -> None:
    data = encode(astronaut, "PNG")
    with pytest.raises(UndecodableMedia, match="more chunks than the limit of 65536"):
        decode(data[:33] + chunk(b"teSt") * 65_536 + data[33:], SPEC)


@pytest.mark.parametrize(("progressive", "scans"), [(False, 1), (True, 6)])
def test_scans_count_and_metadata_and_what_follows_do_not(
    progressive: bool, scans: int, astronaut: Pixels
) -> None:
    looks_like_scans = b"\xff\xda" * 500
    data = encode(astronaut, "JPEG", progressive=progressive, comment=looks_like_scans)
    assert count_scans(data, 100) == scans
    assert count_scans(data + looks_like_scans, 100) == scans
    assert decode(data + looks_like_scans, SPEC).shape == astronaut.shape
    assert count_scans(data[:-2] + SCAN * 50 + END, 100) == scans + 50
    if progressive:
        assert decode(data[:-2] + SCAN * 50 + END, SPEC).shape == astronaut.shape


def test_scans_after_fill_bytes_and_restarts_count() -> None:
    data = b"\xff\xd8" + b"\xff\xff\xff\xda\x00\x02ab\xff\x00c\xff\xd0d" * 3 + END
    assert count_scans(data, 100) == 3


def test_counting_ends_at_the_limit() -> None:
    assert count_scans(b"\xff\xd8" + SCAN * 5000, 100) == 101
    assert count_chunks(b"\x89PNG\r\n\x1a\n" + chunk(b"teSt") * 50, 7) == 8
