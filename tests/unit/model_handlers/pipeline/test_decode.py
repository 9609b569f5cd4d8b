"""Decoding: all formats, modes and orientations to the same pixels; broken bytes to a Problem."""

from __future__ import annotations

import io
import itertools
import resource
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngInfo

from deepfake_serving.contracts.problems import (
    InvalidRequest,
    Problem,
    TooLarge,
    TooManyPixels,
    UndecodableMedia,
    UnsupportedMediaType,
)
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, check_tensor, decode
from tests.support.properties import examples
from tests.support.tiff import (
    BLACK_IS_ZERO,
    FLOATING_POINT,
    RGB,
    SIGNED,
    UNSIGNED,
    WHITE_IS_ZERO,
    tiff,
)

SPEC = DecodeSpec()
HEIGHT, WIDTH = 40, 56


def scene() -> Pixels:
    """Returns a smooth, colourful image that every flip and rotation changes."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [x * 255 / (WIDTH - 1), y * 255 / (HEIGHT - 1), 255 - (x + y) * 255 / 94]
    return np.stack(planes, axis=2).round().astype(np.uint8)


def flat() -> Pixels:
    """Returns four fields of uniform colour, which a palette preserves exactly."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[: HEIGHT // 2, : WIDTH // 2] = (200, 30, 40)
    image[: HEIGHT // 2, WIDTH // 2 :] = (20, 180, 60)
    image[HEIGHT // 2 :, : WIDTH // 2] = (30, 40, 220)
    return image


def encode(image: Image.Image | Pixels, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    pixels = image if isinstance(image, Image.Image) else Image.fromarray(image)
    pixels.save(stream, form, **options)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(
    samples: np.ndarray, colour: int, *, bits: int = 8, extra: bytes = b"", size: Any = None
) -> bytes:
    """Encodes a PNG of `samples` (h, w) or (h, w, n), big-endian if 16 bits wide."""
    wide = samples.astype(">u2") if bits == 16 else samples.astype(np.uint8)
    height, width = size or samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def difference(a: Pixels, b: Pixels) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b.astype(int)).max())


# Formats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "options", "tolerance"),
    [
        ("JPEG", {"quality": 98, "subsampling": 0}, 6),
        ("JPEG", {"quality": 98, "subsampling": 0, "progressive": True}, 6),
        ("MPO", {"quality": 98, "subsampling": 0}, 6),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 98}, 24),
        ("BMP", {}, 0),
    ],
)
def test_every_format_is_decoded(form: str, options: dict[str, Any], tolerance: int) -> None:
    pixels = decode(encode(scene(), form, **options), SPEC)
    assert pixels.dtype == np.uint8
    assert difference(pixels, scene()) <= tolerance


def test_gif_is_decoded() -> None:
    assert difference(decode(encode(flat(), "GIF"), SPEC), flat()) == 0


@pytest.mark.parametrize(
    ("form", "options"),
    [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("PNG", {"default_image": True})],
)
def test_the_first_frame_of_an_animation_is_read(form: str, options: dict[str, Any]) -> None:
    first, second = Image.fromarray(flat()), Image.fromarray(255 - flat())
    data = encode(
        first, form, save_all=True, append_images=[second, first], duration=100, **options
    )
    with Image.open(io.BytesIO(data)) as animation:
        assert animation.n_frames == 3
    assert difference(decode(data, SPEC), flat()) == 0


def test_the_first_image_of_an_mpo_is_read() -> None:
    second = Image.fromarray(255 - scene())
    data = encode(scene(), "MPO", save_all=True, append_images=[second], quality=98, subsampling=0)
    with Image.open(io.BytesIO(data)) as both:
        assert (both.format, both.n_frames) == ("MPO", 2)
    assert difference(decode(data, SPEC), scene()) <= 6


def test_a_gif_frame_smaller_than_the_screen_is_placed_at_its_offset() -> None:
    data = bytearray(encode(flat(), "GIF"))
    data[6:10] = struct.pack("<HH", WIDTH + 8, HEIGHT + 4)
    pixels = decode(bytes(data), SPEC)
    assert pixels.shape == (HEIGHT + 4, WIDTH + 8, 3)
    assert difference(pixels[:HEIGHT, :WIDTH], flat()) == 0


# Orientation -------------------------------------------------------------------------------------

STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}
"""EXIF orientation → how a camera that held `upright` so lays it down (EXIF 2.32, 4.6.4 A)."""


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(
    ("form", "options", "tolerance"),
    [
        ("JPEG", {"quality": 98, "subsampling": 0}, 6),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
    ],
)
def test_every_orientation_gives_the_same_upright_image(
    orientation: int, form: str, options: dict[str, Any], tolerance: int
) -> None:
    stored = np.ascontiguousarray(STORED[orientation](scene()))
    data = encode(stored, form, exif=exif(orientation), **options)
    assert difference(decode(data, SPEC), scene()) <= tolerance


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_an_orientation_in_xmp_is_not_applied(form: str) -> None:
    """Browsers don't either; Pillow would."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"/>'
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    options = {"PNG": {"pnginfo": text}, "TIFF": {"tiffinfo": {700: xmp}}}.get(form, {"xmp": xmp})
    turned = decode(encode(scene(), form, **options), SPEC)
    assert difference(turned, decode(encode(scene(), form), SPEC)) == 0


def test_orientation_applies_to_16_bit_grey_with_transparency() -> None:
    grey = (scene()[:, :, 0].astype(np.uint16)) * 257
    tags = chunk(b"eXIf", exif(6).tobytes()[6:])
    data = png(np.rot90(grey), 0, bits=16, extra=tags + chunk(b"tRNS", b"\0\0"))
    expected = np.where(grey == 0, 255, grey // 257).astype(np.uint8)
    assert difference(decode(data, SPEC)[:, :, 0], expected) == 0


@pytest.mark.parametrize(
    "broken",
    [
        b"Exif\0\0neither II nor MM",
        b"Exif\0\0II*\0\xff\xff\xff\x7f",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x02\0\xff\xff\xff\xff\x08\0\0\0" * 3,
    ],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_is_ignored_without_a_warning(broken: bytes, form: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pixels = decode(encode(scene(), form, exif=broken), SPEC)
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert caught == []


def test_orientation_applies_despite_an_invalid_tag() -> None:
    orientation = struct.pack("<HHII", 0x0112, 3, 1, 6)
    wrong = struct.pack("<HHII", 0x8769, 3, 1, 60000)  # the EXIF IFD, as a SHORT to nowhere
    tags = b"II*\0\x08\0\0\0" + struct.pack("<H", 2) + orientation + wrong + b"\0\0\0\0"
    data = encode(np.ascontiguousarray(np.rot90(scene())), "PNG", exif=b"Exif\0\0" + tags)
    assert difference(decode(data, SPEC), scene()) == 0


# Modes -------------------------------------------------------------------------------------------


def grey_rgb(grey: np.ndarray) -> Pixels:
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)


def test_8_bit_grey_becomes_equal_channels() -> None:
    grey = scene()[:, :, 0]
    assert difference(decode(encode(grey, "PNG"), SPEC), grey_rgb(grey)) == 0


def test_grey_jpeg_becomes_equal_channels() -> None:
    grey = scene()[:, :, 0]
    assert difference(decode(encode(grey, "JPEG", quality=98), SPEC), grey_rgb(grey)) <= 4


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF"])
def test_1_bit_becomes_black_and_white(form: str) -> None:
    bits = scene()[:, :, 0] > 100
    data = encode(Image.fromarray(bits), form)
    assert difference(decode(data, SPEC), grey_rgb(bits * 255)) == 0


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF"])
def test_palette_indices_become_their_colours(form: str) -> None:
    paletted = Image.fromarray(flat()).quantize(4)
    assert difference(decode(encode(paletted, form), SPEC), flat()) == 0


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    wide = np.linspace(0, 65535, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)
    pixels = decode(encode(Image.fromarray(wide), "PNG"), SPEC)
    assert difference(pixels, grey_rgb(wide // 257)) == 0
    assert len(np.unique(pixels)) == 256


@pytest.mark.parametrize(("kind", "bits"), [(WHITE_IS_ZERO, 16), (BLACK_IS_ZERO, 12)])
def test_grey_of_scanners_is_neither_negative_nor_dark(kind: int, bits: int) -> None:
    grey = np.arange(256).reshape(8, 32)
    if bits == 16:
        samples = (65535 - grey * 257).astype("<u2").tobytes()
    else:
        first, second = (half * 4095 // 255 for half in (grey.ravel()[::2], grey.ravel()[1::2]))
        packed = [first >> 4, first << 4 & 0xF0 | second >> 8, second & 0xFF]
        samples = np.stack(packed, -1).astype(np.uint8).tobytes()
    shown = decode(tiff(32, 8, bits, kind, [samples]), SPEC)
    assert np.abs(shown.astype(int) - grey[..., None]).max() <= 1


@pytest.mark.parametrize(
    ("bits", "samples", "white", "order"),
    [
        (16, SIGNED, 32767, "<"),
        (16, SIGNED, 32767, ">"),
        (32, UNSIGNED, 255, "<"),
        (32, UNSIGNED, 65535, "<"),
        (32, UNSIGNED, 2**32 - 1, "<"),
        (32, SIGNED, 2**31 - 1, "<"),
        (32, SIGNED, 2**31 - 1, ">"),
    ],
)
def test_signed_and_32_bit_grey_is_scaled_and_not_clipped(
    bits: int, samples: int, white: int, order: str
) -> None:
    grey = np.arange(256).reshape(8, 32)
    letter = "i" if samples == SIGNED else "u"
    stored = np.rint(grey / 255 * white).astype(f"{order}{letter}{bits // 8}").tobytes()
    shown = decode(tiff(32, 8, bits, BLACK_IS_ZERO, [stored], order, samples=samples), SPEC)
    assert np.abs(shown.astype(int) - grey[..., None]).max() <= 1


@pytest.mark.parametrize(
    ("channels", "bits", "samples", "order", "named"),
    [
        (3, 32, FLOATING_POINT, "<", "3 x 32 floating-point bits"),
        (4, 16, FLOATING_POINT, ">", "4 x 16 floating-point bits"),
        (1, 64, FLOATING_POINT, "<", "1 x 64 floating-point bits"),
        (3, 32, UNSIGNED, "<", "3 x 32 bits"),
        (2, 16, UNSIGNED, ">", "2 x 16 bits"),
        (1, 32, UNSIGNED, ">", "1 x 32 bits"),
    ],
)
def test_a_tiff_of_unusual_samples_is_unsupported_and_not_corrupt(
    channels: int, bits: int, samples: int, order: str, named: str
) -> None:
    kind = RGB if channels > 2 else BLACK_IS_ZERO
    plane = bytes(32 * 8 * bits // 8)
    data = tiff(32, 8, bits, kind, [plane] * channels, order, samples=samples)
    with pytest.raises(UnsupportedMediaType, match=f"{named}.*8 or 16 bits per channel"):
        decode(data, SPEC)


def test_a_tiff_of_unknown_compression_is_unsupported_and_not_corrupt() -> None:
    data = tiff(32, 8, 8, BLACK_IS_ZERO, [bytes(256)], compression=34712)
    with pytest.raises(UnsupportedMediaType, match="compression 34712"):
        decode(data, SPEC)


def test_a_tiff_of_impossible_samples_is_corrupt() -> None:
    with pytest.raises(UndecodableMedia, match="header"):
        decode(tiff(32, 8, 200, BLACK_IS_ZERO, [bytes(256)]), SPEC)


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_channels_in_planes_of_their_own_are_read(order: str) -> None:
    wide = (scene().astype(np.uint16) << 8 | 99).astype(f"{order}u2")
    planes = [wide[..., channel].tobytes() for channel in range(3)]
    assert (decode(tiff(WIDTH, HEIGHT, 16, RGB, planes, order), SPEC) == scene()).all()


def test_large_metadata_of_a_png_is_no_damage() -> None:
    text = PngInfo()
    text.add_text("Raw profile type xmp", "0" * 3 * 2**20, zip=True)
    assert (decode(encode(scene(), "PNG", pnginfo=text), SPEC) == scene()).all()
    profile = bytes(2**21)
    assert (decode(encode(scene(), "PNG", icc_profile=profile), SPEC) == scene()).all()


def test_16_bit_rgb_is_scaled() -> None:
    wide = scene().astype(np.uint16) * 257
    assert difference(decode(png(wide, 2, bits=16), SPEC), scene()) == 0


def test_16_bit_rgba_is_scaled_and_flattened() -> None:
    alpha = np.full((HEIGHT, WIDTH, 1), 65535, np.uint16)
    alpha[:10] = 0
    wide = np.concatenate([scene().astype(np.uint16) * 257, alpha], axis=2)
    expected = scene()
    expected[:10] = 255
    assert difference(decode(png(wide, 6, bits=16), SPEC), expected) == 0


def test_cmyk_jpeg_has_the_colours_of_the_original() -> None:
    data = encode(Image.fromarray(scene()).convert("CMYK"), "JPEG", quality=98, subsampling=0)
    assert b"Adobe" in data  # so its planes are inverted, as Adobe's programs write them
    assert difference(decode(data, SPEC), scene()) <= 8


def test_cmyk_jpeg_without_the_adobe_marker_is_read_as_in_browsers() -> None:
    data = encode(Image.fromarray(scene()).convert("CMYK"), "JPEG", quality=98, subsampling=0)
    at = data.index(b"\xff\xee")
    (length,) = struct.unpack_from(">H", data, at + 2)
    assert difference(decode(data[:at] + data[at + 2 + length :], SPEC), scene()) <= 8


def test_ycck_jpeg_has_the_colours_of_the_original() -> None:
    # libjpeg turns Y, Cb, Cr into 255 - R, 255 - G, 255 - B, which are Adobe's inverted C, M, Y.
    ycc = np.asarray(Image.fromarray(255 - scene()).convert("YCbCr"))
    key = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    stored = np.concatenate([ycc, key], axis=2)
    cmyk = Image.frombytes("CMYK", (WIDTH, HEIGHT), (255 - stored).tobytes())
    data = bytearray(encode(cmyk, "JPEG", quality=98, subsampling=0))
    transform = data.index(b"Adobe") + 11
    assert data[transform] == 0
    data[transform] = 2
    assert difference(decode(bytes(data), SPEC), scene()) <= 8


def test_alpha_is_flattened_onto_white() -> None:
    alpha = np.tile(np.linspace(0, 255, WIDTH).round().astype(np.uint8), (HEIGHT, 1))
    share = alpha[:, :, None] / 255
    expected = (scene() * share + 255 * (1 - share)).round().astype(np.uint8)
    image = Image.fromarray(np.dstack([scene(), alpha]))
    for form, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        assert difference(decode(encode(image, form, **options), SPEC), expected) <= 1


def test_grey_with_alpha_is_flattened_onto_white() -> None:
    grey = Image.fromarray(scene()[:, :, 0])
    grey.putalpha(Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)))
    assert (decode(encode(grey, "PNG"), SPEC) == 255).all()


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_a_transparent_palette_entry_becomes_white(form: str) -> None:
    paletted = Image.fromarray(flat()).quantize(4)
    entry = paletted.getpixel((0, 0))
    expected = flat()
    expected[: HEIGHT // 2, : WIDTH // 2] = 255
    assert difference(decode(encode(paletted, form, transparency=entry), SPEC), expected) == 0


def test_half_transparent_palette_entries_are_flattened_onto_white() -> None:
    paletted = Image.fromarray(flat()).quantize(4)
    data = encode(paletted, "PNG", transparency=bytes([128] * 4))
    expected = (flat() * (128 / 255) + 255 * (127 / 255)).round().astype(np.uint8)
    assert difference(decode(data, SPEC), expected) <= 1


@pytest.mark.parametrize(
    ("samples", "colour", "bits", "transparent"),
    [
        (flat()[:, :, 0], 0, 8, struct.pack(">H", 200)),
        (flat()[:, :, 0].astype(np.uint16) * 257, 0, 16, struct.pack(">H", 200 * 257)),
        (flat(), 2, 8, struct.pack(">HHH", 200, 30, 40)),
    ],
)
def test_a_transparent_colour_becomes_white(
    samples: np.ndarray, colour: int, bits: int, transparent: bytes
) -> None:
    pixels = decode(png(samples, colour, bits=bits, extra=chunk(b"tRNS", transparent)), SPEC)
    opaque = decode(png(samples, colour, bits=bits), SPEC).copy()
    corner = (slice(HEIGHT // 2), slice(WIDTH // 2))
    assert (pixels[corner] == 255).all()
    opaque[corner] = 255
    assert difference(pixels, opaque) == 0


# Limits ------------------------------------------------------------------------------------------

GIF_BOMB = (
    b"GIF89a" + struct.pack("<HH", 10, 10) + b"\xf0\0\0" + b"\0\0\0\xff\xff\xff"
    b"!\xf9\x04\x08\0\0\0\0"  # dispose to background: Pillow fills the frame when it opens it
    b"," + struct.pack("<HHHH", 0, 0, 60000, 60000) + b"\0\x02\x02D\x01\0;"
)
BMP_BOMB = b"BM" + struct.pack(
    "<IIIIiiHHIIIIII", 54, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0
)
WEBP_BOMB = (
    b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0/" + struct.pack("<I", 16382 | 16382 << 14) + b"\x07\x10" * 4
)
BOMBS = {
    "PNG": png(np.zeros((4, 4)), 2, size=(60000, 60000)),
    "GIF": GIF_BOMB,
    "BMP": BMP_BOMB,
    "WEBP": WEBP_BOMB,
    "JPEG": encode(scene(), "JPEG").replace(
        struct.pack(">HH", HEIGHT, WIDTH), struct.pack(">HH", 60000, 60000), 1
    ),
}


@pytest.fixture
def _little_memory() -> Iterator[None]:
    """Limits new address space to 64 MiB: allocating the pixels of a bomb fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 2**26, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.usefixtures("_little_memory")
@pytest.mark.parametrize("form", BOMBS)
def test_a_decompression_bomb_is_refused_before_allocation(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    says = rf"has \d+( x \d+)? pixels; the limit is {SPEC.max_pixels}$"
    with pytest.raises(TooManyPixels, match=says):
        decode(BOMBS[form], SPEC)


@pytest.mark.parametrize(("width", "fits"), [(50, True), (51, False)])
def test_the_pixel_limit_is_exact(width: int, fits: bool) -> None:
    spec = DecodeSpec(max_pixels=2001)  # odd, so it is not twice any limit of Pillow
    data = encode(np.zeros((40, width, 3), np.uint8), "PNG")
    if fits:
        assert decode(data, spec).shape == (40, width, 3)
    else:
        with pytest.raises(TooManyPixels, match="2001"):
            decode(data, spec)


def test_the_byte_limit_is_exact() -> None:
    data = encode(scene(), "PNG")
    assert decode(data, DecodeSpec(max_bytes=len(data))).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(TooLarge, match=f"{len(data)} bytes; the limit is {len(data) - 1}"):
        decode(data, DecodeSpec(max_bytes=len(data) - 1))


# Broken ------------------------------------------------------------------------------------------


def test_an_empty_image_is_an_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        decode(b"", SPEC)


@pytest.mark.parametrize(
    "data",
    [
        b"Hello, I am a text file.\n" * 10,
        b'{"instances": []}',
        b"%PDF-1.7",
        b"\0",
        encode(scene(), "PPM"),
        encode(scene(), "ICO"),
        encode(scene(), "JPEG2000"),
    ],
    ids=["text", "json", "pdf", "zero", "ppm", "ico", "jpeg2000"],
)
def test_an_unknown_format_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedMediaType, match="JPEG, PNG, WebP, BMP, GIF, AVIF, HEIC or TIFF"):
        decode(data, SPEC)


@pytest.mark.parametrize(
    "head",
    [
        *(b"\0\0\0\x20ftypisom", b"\0\0\0\x14ftypqt  "),
        *(b"\x1a\x45\xdf\xa3\x01\0\0\0", b"RIFF\0\0\0\0AVI LIST"),
    ],
    ids=["mp4", "quicktime", "matroska", "avi"],
)
def test_a_video_is_sent_to_where_videos_are_analysed(head: bytes) -> None:
    with pytest.raises(UnsupportedMediaType, match=r"this is a video, .* go to /v1/videos"):
        decode(head + bytes(64), SPEC)


def test_a_raw_photo_is_not_called_a_video() -> None:
    with pytest.raises(UnsupportedMediaType, match="JPEG, PNG, WebP"):
        decode(b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", SPEC)


@pytest.mark.parametrize(
    ("form", "share"),
    [
        *itertools.product(["PNG", "WEBP", "BMP", "GIF"], [0.02, 0.1, 0.5, 0.8]),
        *itertools.product(["JPEG", "MPO"], [0.02, 0.1, 0.5]),
    ],
)
def test_a_truncated_image_is_undecodable(form: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    data = encode(noise, form)
    with pytest.raises(UndecodableMedia, match=r"corrupt|cut short"):
        decode(data[: max(12, int(len(data) * share))], SPEC)


def corpus() -> dict[str, bytes]:
    """Returns small valid images of every format and of unusual modes."""
    small = scene()[:12, :16]
    wide = small[:, :, 0].astype(np.uint16) * 257
    image, paletted = Image.fromarray(small), Image.fromarray(small).quantize(4)
    frames: dict[str, Any] = {"save_all": True, "append_images": [Image.fromarray(255 - small)]}
    oriented: dict[str, Any] = {"exif": exif(6)}
    alpha = np.dstack([small, small[:, :, 0]])
    return {
        "jpeg": encode(image, "JPEG", **oriented),
        "jpeg progressive": encode(image, "JPEG", progressive=True),
        "jpeg cmyk": encode(image.convert("CMYK"), "JPEG"),
        "mpo": encode(image, "MPO", **frames, **oriented),
        "png": encode(image, "PNG", **oriented),
        "png alpha": encode(alpha, "PNG"),
        "png palette": encode(paletted, "PNG", transparency=b"\x80\0"),
        "png 16 bit": png(wide, 0, bits=16, extra=chunk(b"tRNS", b"\0\0")),
        "apng": encode(image, "PNG", **frames),
        "webp": encode(image, "WEBP", **oriented),
        "webp lossless": encode(alpha, "WEBP", lossless=True),
        "webp animated": encode(image, "WEBP", **frames, **oriented),
        "bmp": encode(image, "BMP"),
        "bmp palette": encode(paletted, "BMP"),
        "gif": encode(paletted, "GIF", transparency=1),
        "gif animated": encode(image, "GIF", **frames),
    }


CORPUS = corpus()


def repair_checksums(data: bytes) -> bytes:
    """Recomputes the CRCs of a PNG's chunks, so that mutations pass the first check."""
    at, parts = 8, [data[:8]]
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            break
        parts.append(chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return b"".join(parts) + data[at:]


def attempt(data: bytes) -> Pixels | Problem:
    try:
        return decode(data, DecodeSpec(max_bytes=2**20, max_pixels=1_000_000))
    except Problem as problem:
        return problem


def is_completed(data: bytes) -> None:
    """Asserts a valid array or a client error with a serializable detail."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        response = attempt(data)
    assert caught == []
    if isinstance(response, Problem):
        assert 400 <= response.status < 500
        assert orjson.loads(orjson.dumps(response.to_dict()))["detail"] == response.detail
    else:
        assert (response.dtype, response.ndim, response.shape[2]) == (np.uint8, 3, 3)
        assert 0 < response.size <= 3_000_000
        assert response.flags.c_contiguous


def test_the_corpus_is_valid() -> None:
    for data in CORPUS.values():
        assert decode(data, SPEC).shape in {(12, 16, 3), (16, 12, 3)}


@settings(max_examples=examples(150))
@given(
    start=st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF\x40\0\0\0WEBPVP8X"]
    ),
    rest=st.binary(max_size=300),
)
def test_random_bytes_give_an_image_or_a_problem(start: bytes, rest: bytes) -> None:
    is_completed(start + rest)


@settings(max_examples=examples(300))
@given(data=st.data())
def test_mutated_and_truncated_images_give_an_image_or_a_problem(data: st.DataObject) -> None:
    valid = CORPUS[data.draw(st.sampled_from(sorted(CORPUS)))]
    broken = bytearray(valid)
    place = st.integers(0, len(valid) - 1)
    for at, value in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), max_size=6)):
        broken[at] = value
    mutated = bytes(broken[: data.draw(st.integers(0, len(valid)) | st.just(len(valid)))])
    is_completed(repair_checksums(mutated) if mutated.startswith(b"\x89PNG") else mutated)


# Tensors -----------------------------------------------------------------------------------------


def test_a_tensor_is_returned_unchanged() -> None:
    assert difference(check_tensor(scene(), SPEC), scene()) == 0


def test_a_tensor_is_returned_contiguous() -> None:
    assert check_tensor(scene()[:, ::-1], SPEC).flags.c_contiguous


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.int16),
    ],
)
def test_a_tensor_of_another_shape_or_type_is_invalid(pixels: np.ndarray) -> None:
    with pytest.raises(InvalidRequest, match="uint8 was expected"):
        check_tensor(pixels, SPEC)


def test_the_pixel_limit_applies_to_tensors() -> None:
    with pytest.raises(TooManyPixels, match="40 x 30 pixels; the limit is 1199"):
        check_tensor(np.zeros((30, 40, 3), np.uint8), DecodeSpec(max_pixels=1199))
