"""Colours that AVIF and HEIC state by code points, shown in sRGB as browsers show them."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from model_handlers.images.heif_colours import avif_profile, heic_profile
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode
from tests.support import icc
from tests.unit.model_handlers.images.test_colour_profile import colours
from tests.unit.model_handlers.images.test_png_colours import BT2020_FROM_709, hlg, pq
from tests.unit.model_handlers.pipeline.test_decode import encode

SPEC = DecodeSpec()
SRGB = (1, 13)
P3 = (12, 13)
HLG, PQ = 18, 16


def coded(pixels: Pixels, points: tuple[int, int], **options: bytes) -> bytes:
    """Returns an AVIF that states primaries and transfer function of its pixels."""
    data = encode(pixels, "AVIF", quality=100, subsampling="4:4:4", **options)
    stated = b"nclx" + struct.pack(">HH", *SRGB)
    assert data.count(stated) == 1
    return data.replace(stated, b"nclx" + struct.pack(">HH", *points))


def error(pixels: Pixels) -> float:
    """Returns the mean difference from the original; that of the codec alone is 0.8."""
    return float(np.abs(pixels.astype(int) - colours())[colours().max(-1) < 225].mean())


def test_wide_gamut_is_converted() -> None:
    stored = icc.in_space(colours(), "Display P3")
    assert error(stored) > 6
    assert error(decode(coded(stored, P3), SPEC)) < 2


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_hdr_is_shown_as_its_sdr_original(transfer: int) -> None:
    light = np.clip(icc.linear(colours()) @ BT2020_FROM_709.T, 0, 1)
    stored = pq(light) if transfer == PQ else hlg(light)
    assert error(stored) > 15
    assert error(decode(coded(stored, (9, transfer)), SPEC)) < 4


@pytest.mark.parametrize("points", [SRGB, (2, 2), (1, 1), (200, 16), (9, 200)])
def test_srgb_and_unknown_code_points_change_nothing(points: tuple[int, int]) -> None:
    plain = decode(coded(colours(), SRGB), SPEC)
    assert (decode(coded(colours(), points), SPEC) == plain).all()


def test_an_icc_profile_counts_before_code_points() -> None:
    stored = icc.in_space(colours(), "Adobe RGB")
    profile = icc.rgb_profile("Adobe RGB")
    data = encode(stored, "AVIF", quality=100, subsampling="4:4:4", icc_profile=profile)
    assert error(stored) > 6
    assert error(decode(data, SPEC)) < 2


def test_code_points_of_a_heic_are_those_that_libheif_read() -> None:
    stated = {"color_primaries": 12, "transfer_characteristics": 13}
    assert heic_profile({"nclx_profile": stated}) == avif_profile(coded(colours(), P3))
    assert heic_profile({}) is None


def test_a_file_without_properties_states_no_colours() -> None:
    data = coded(colours(), P3)
    for box in (b"meta", b"pitm", b"iprp", b"ipma"):
        assert avif_profile(data.replace(box, b"free")) is None
    at = data.index(b"ipma")
    size = struct.pack(">I", 2**31)
    with pytest.raises(ValueError, match="more than 10000 parts"):
        avif_profile(data[: at + 8] + size + data[at + 12 :])
