"""HEIC and AVIF files of a few kilobytes that would decode to much more than they state."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from deepfake_serving.contracts.problems import TooManyPixels, UndecodableMedia
from model_handlers.images.av1 import largest_frame
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import decode, decode_image
from tests.support.heif import heic, hevc_image

SPEC = DecodeSpec(max_pixels=1_000_000)
SIDE = 1600


def avif(side: int = SIDE, **options: object) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(np.full((side, side, 3), 120, np.uint8))
    image.save(stream, "AVIF", speed=10, **options)
    return stream.getvalue()


def with_stated_size(data: bytes, side: int, stated: int) -> bytes:
    """Replaces the size that a file states for its image."""
    old, new = (b"ispe" + bytes(4) + struct.pack(">II", n, n) for n in (side, stated))
    assert data.count(old) == 1
    return data.replace(old, new)


@pytest.mark.parametrize("stated", [SIDE, 900, 64])
def test_the_frames_of_an_avif_count_and_not_the_size_it_states(stated: int) -> None:
    """A decoder scales them: before, 64 x 64 pixels could take gigabytes."""
    with pytest.raises(TooManyPixels, match=rf"{SIDE} x {SIDE}|has {SIDE * SIDE} pixels"):
        decode(with_stated_size(avif(), SIDE, stated), SPEC)


def test_frames_of_an_avif_sequence_count() -> None:
    more = [Image.new("RGB", (SIDE, SIDE), (200, 0, n)) for n in range(3)]
    data = avif(save_all=True, append_images=more)
    assert largest_frame(data) == (SIDE, SIDE)
    with pytest.raises(TooManyPixels):
        decode(data, SPEC)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (64, 48), (517, 3), (3, 999)])
def test_the_size_of_frames_is_found(width: int, height: int) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (width, height)).save(stream, "AVIF", speed=10)
    assert largest_frame(stream.getvalue()) == (width, height)
    assert decode(stream.getvalue(), SPEC).shape == (height, width, 3)


def test_an_avif_without_a_sequence_header_is_undecodable() -> None:
    data = avif(64).replace(b"av01", b"av09", 1)
    with pytest.raises(UndecodableMedia):
        decode(data, SPEC)


def test_items_that_share_their_bytes_are_not_read_over_and_over() -> None:
    data = avif(64)
    at = data.index(b"iloc")
    (offset, length) = struct.unpack_from(">II", data, at + 4 + 4 + 2 + 2 + 2 + 2 + 2)
    assert offset + length <= len(data)
    many = bytearray(data)
    struct.pack_into(">H", many, at + 4 + 4 + 2 + 2 + 2 + 2, 0xFFFF)
    with pytest.raises(ValueError, match=r"too early|longer than|more than"):
        largest_frame(bytes(many))


@pytest.mark.parametrize(
    "data",
    [
        bytes([0, 0, 0, 8, *b"free"]) * 50_000,
        struct.pack(">I4sI", 800_012, b"meta", 0)
        + bytes([0, 0, 0, 16, *b"free", *[0] * 8]) * 50_000,
    ],
    ids=["boxes", "boxes of metadata"],
)
def test_very_many_parts_are_not_read(data: bytes) -> None:
    with pytest.raises(ValueError, match="more than 10000 parts"):
        largest_frame(data)


def test_a_heic_of_one_image_and_a_grid_of_many_tiles_are_decoded() -> None:
    tile = hevc_image(64, 64)
    assert decode(heic(*tile, (64, 64)), SPEC).shape == (64, 64, 3)
    assert decode(heic(*tile, (64, 64), (6, 4)), SPEC).shape == (256, 384, 3)


@pytest.mark.parametrize(
    ("size", "grid"),
    [((64, 64), (40, 40)), ((16, 16), (100, 100)), ((8000, 8000), None), ((8000, 8000), (9, 9))],
    ids=["a large canvas", "very many tiles", "a large image", "large tiles"],
)
def test_heic_bombs_are_refused_before_they_are_decoded(
    size: tuple[int, int], grid: tuple[int, int] | None
) -> None:
    with pytest.raises((TooManyPixels, UndecodableMedia)):
        decode_image(heic(*hevc_image(64, 64), size, grid), SPEC)


def test_a_heic_whose_frame_is_larger_than_it_states_is_refused() -> None:
    with pytest.raises(UndecodableMedia):
        decode(heic(*hevc_image(SIDE, SIDE), (64, 64)), SPEC)
