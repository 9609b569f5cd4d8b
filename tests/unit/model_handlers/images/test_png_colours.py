"""Colours of a PNG's gAMA, cHRM and cICP chunks, shown in sRGB as browsers show them."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from model_handlers.images.png_colours import png_profile
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode
from tests.support import icc
from tests.unit.model_handlers.images.test_colour_profile import colours
from tests.unit.model_handlers.pipeline.test_decode import difference, encode

SPEC = DecodeSpec()
P3 = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
BT2020_FROM_709 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)


def with_chunks(
    image: Pixels | Image.Image, chunks: dict[bytes, bytes], profile: bytes = b""
) -> bytes:
    """Returns a PNG with chunks after its header."""
    data = encode(image, "PNG", **({"icc_profile": profile} if profile else {}))
    added = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks.items()
    )
    return data[:33] + added + data[33:]


def gamma(value: float) -> dict[bytes, bytes]:
    return {b"gAMA": struct.pack(">I", round(value * 100_000))}


def chromaticities(values: tuple[int, ...]) -> dict[bytes, bytes]:
    return {b"cHRM": struct.pack(">8I", *values)}


@pytest.mark.parametrize("value", [1.0, 1 / 1.8, 1 / 3])
def test_another_gamma_is_converted(value: float) -> None:
    stored = icc.coded(icc.linear(colours()), 1 / value)
    shown = decode(with_chunks(stored, gamma(value)), SPEC)
    assert difference(stored, colours()) > 12
    assert difference(shown, colours()) <= 8


@pytest.mark.parametrize("chunks", [{}, chromaticities(SRGB)], ids=["alone", "with cHRM"])
def test_the_gamma_of_srgb_changes_nothing(chunks: dict[bytes, bytes]) -> None:
    data = with_chunks(colours(), gamma(0.45455) | chunks)
    assert difference(decode(data, SPEC), colours()) == 0


def test_other_primaries_are_converted() -> None:
    stored = icc.in_space(colours(), "Display P3")
    shown = decode(with_chunks(stored, gamma(0.45455) | chromaticities(P3)), SPEC)
    assert difference(stored, colours()) > 20
    assert difference(shown, colours()) <= 8


def test_srgb_and_profiles_count_before_gamma() -> None:
    data = with_chunks(colours(), gamma(1.0) | {b"sRGB": b"\0"})
    assert difference(decode(data, SPEC), colours()) == 0
    stored = icc.in_space(colours(), "Adobe RGB")
    data = with_chunks(stored, gamma(1.0), icc.rgb_profile("Adobe RGB"))
    assert difference(decode(data, SPEC), colours()) <= 8


def pq(light: icc.Floats) -> Pixels:
    power = (light * 203 / 10000) ** 0.1593017578125
    coded = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    return np.round(255 * coded).astype(np.uint8)


def hlg(light: icc.Floats) -> Pixels:
    scene = (light * 0.203) ** (1 / 1.2)
    bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.round(255 * np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)).astype(np.uint8)


@pytest.mark.parametrize("transfer", [16, 18], ids=["pq", "hlg"])
def test_hdr_is_shown_as_its_sdr_original(transfer: int) -> None:
    light = np.clip(icc.linear(colours()) @ BT2020_FROM_709.T, 0, 1)
    stored = pq(light) if transfer == 16 else hlg(light)
    shown = decode(with_chunks(stored, {b"cICP": bytes([9, transfer, 0, 1])}), SPEC)
    error = np.abs(shown.astype(int) - colours())[colours().max(-1) < 225]
    assert np.abs(stored.astype(int) - colours()).mean() > 15
    assert error.mean() < 3


def test_srgb_by_cicp_counts_before_a_profile() -> None:
    data = with_chunks(colours(), {b"cICP": bytes([1, 13, 0, 1])}, icc.rgb_profile("ProPhoto"))
    assert difference(decode(data, SPEC), colours()) == 0


@pytest.mark.parametrize(
    "chunks",
    [
        {b"cICP": bytes([9, 16, 9, 1])},
        {b"cICP": bytes([200, 16, 0, 1])},
        {b"cICP": b"\x09"},
        gamma(0.0),
        gamma(1e4),
    ],
)
def test_impossible_values_change_nothing(chunks: dict[bytes, bytes]) -> None:
    assert difference(decode(with_chunks(colours(), chunks), SPEC), colours()) == 0


def test_impossible_primaries_are_ignored() -> None:
    line = (31270, 32900, 10000, 10000, 20000, 20000, 30000, 30000)
    for values in ((0,) * 8, line, (2**32 - 1,) * 8):
        png_profile(with_chunks(colours(), gamma(0.5) | chromaticities(values)))


def test_grey_and_transparency_are_converted() -> None:
    grey = np.tile(np.arange(56, dtype=np.uint8) * 4 + 16, (40, 1))
    stored = icc.coded(icc.linear(grey), 1 / 0.7)
    shown = decode(with_chunks(Image.fromarray(stored), gamma(0.7)), SPEC)
    expected = np.repeat(grey[..., None], 3, -1)
    assert difference(shown, expected) <= 6
    layer = Image.fromarray(np.dstack([stored, stored, stored, np.full_like(stored, 255)]))
    assert difference(decode(with_chunks(layer, gamma(0.7)), SPEC), expected) <= 6
