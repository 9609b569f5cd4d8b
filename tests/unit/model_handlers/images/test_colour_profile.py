"""Colours of ICC profiles, shown in sRGB as browsers show them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode
from tests.support import icc
from tests.unit.model_handlers.pipeline.test_decode import difference, encode, flat, grey_rgb

SPEC = DecodeSpec()


def colours() -> Pixels:
    """Returns colours of sRGB, none of them extreme."""
    y, x = np.mgrid[0:40, 0:56]
    return np.stack([30 + 3 * x, 40 + 4 * y, 230 - 2 * (x + y)], 2).astype(np.uint8)


def png(image: Image.Image | Pixels, profile: bytes, **options: Any) -> bytes:
    return encode(image, "PNG", icc_profile=profile, **options)


@pytest.mark.parametrize("space", ["Display P3", "Adobe RGB", "ProPhoto"])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_colours_of_a_profile_are_shown_in_srgb(space: str, form: str) -> None:
    stored = icc.in_space(colours(), space)
    options = {"JPEG": {"quality": 98, "subsampling": 0}, "WEBP": {"lossless": True}}.get(form, {})
    data = encode(stored, form, icc_profile=icc.rgb_profile(space), **options)
    assert difference(stored, colours()) > 20
    assert difference(decode(data, SPEC), colours()) <= (20 if form == "JPEG" else 8)


def test_an_srgb_profile_changes_nothing() -> None:
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (own, icc.rgb_profile("sRGB")):
        assert difference(decode(png(colours(), profile), SPEC), colours()) == 0


def test_transparency_is_kept_by_the_conversion() -> None:
    alpha = np.full((40, 56), 255, np.uint8)
    alpha[:10] = 0
    stored = Image.fromarray(np.dstack([icc.in_space(colours(), "ProPhoto"), alpha]))
    expected = colours()
    expected[:10] = 255
    data = png(stored, icc.rgb_profile("ProPhoto"))
    assert difference(decode(data, SPEC), expected) <= 8


def test_palettes_are_converted() -> None:
    stored = Image.fromarray(icc.in_space(flat(), "Adobe RGB")).quantize(4)
    data = png(stored, icc.rgb_profile("Adobe RGB"))
    shown = decode(data, SPEC)
    assert difference(shown[:20, :28], flat()[:20, :28]) <= 6
    assert difference(np.asarray(stored.convert("RGB")), shown) > 15


@pytest.mark.parametrize("deep", [False, True])
def test_grey_is_converted(deep: bool) -> None:
    srgb = np.tile(np.arange(64, 256, 2, dtype=np.uint8), (8, 1))
    stored = icc.coded(icc.linear(srgb), 1.0)
    image = Image.fromarray(stored.astype(np.uint16) * 257 if deep else stored)
    shown = decode(png(image, icc.grey_profile(1.0)), SPEC)
    assert difference(shown, grey_rgb(srgb)) <= 4
    assert difference(grey_rgb(stored), grey_rgb(srgb)) > 50


def test_grey_with_transparency_is_converted() -> None:
    stored = Image.fromarray(np.full((8, 8), 55, np.uint8))
    stored.putalpha(Image.fromarray(np.tile([[0] * 4 + [255] * 4], (8, 1)).astype(np.uint8)))
    shown = decode(png(stored, icc.grey_profile(1.0)), SPEC)
    assert (shown[:, :4] == 255).all()
    assert abs(int(shown[0, 7, 0]) - 128) <= 2


def test_cmyk_is_converted_by_its_profile() -> None:
    """Its cyan ink is a grey: no formula knows that."""
    lightness = [90.0 - 4 * inks for inks in range(16)]
    image = Image.new("CMYK", (32, 16), (0, 0, 0, 0))
    image.paste((255, 0, 0, 0), (16, 0, 32, 16))
    profile = icc.cmyk_profile(lightness)
    shown = decode(encode(image, "JPEG", quality=98, icc_profile=profile), SPEC).astype(int)
    assert (shown[:, :12] >= 250).all()
    assert (np.abs(shown[:, 20:] - 133) <= 15).all()  # L* 58, darker where black is black


@pytest.mark.parametrize(
    "profile",
    [
        b"x" * 200,
        icc.rgb_profile("ProPhoto")[:150],
        icc.grey_profile(1.0),
        icc.cmyk_profile([50.0] * 16),
        icc.rgb_profile("ProPhoto").replace(b"mntr", b"link"),
    ],
    ids=["garbage", "truncated", "grey", "cmyk", "link"],
)
def test_a_profile_that_does_not_fit_is_ignored(profile: bytes) -> None:
    assert difference(decode(png(colours(), profile), SPEC), colours()) == 0


def test_a_profile_of_an_image_with_its_own_colour_space_is_ignored() -> None:
    cmyk = Image.fromarray(colours()).convert("CMYK")
    plain = decode(encode(cmyk, "JPEG", quality=98), SPEC)
    tagged = encode(cmyk, "JPEG", quality=98, icc_profile=icc.rgb_profile("ProPhoto"))
    assert difference(decode(tagged, SPEC), plain) == 0


def test_a_corrupt_profile_is_ignored_without_a_warning() -> None:
    profile = bytearray(icc.rgb_profile("Adobe RGB"))
    rng = np.random.default_rng(1)
    for _ in range(200):
        broken = bytearray(profile)
        for at in rng.integers(0, len(profile), 4):
            broken[at] = rng.integers(256)
        stream = io.BytesIO(png(colours(), bytes(broken)))
        assert decode(stream.getvalue(), SPEC).shape == colours().shape
