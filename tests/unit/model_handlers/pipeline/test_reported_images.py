"""Images that other programs were reported to misread (docs/reported-media.md)."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from model_handlers.pipeline.decode import Pixels, decode, decode_image
from tests.unit.model_handlers.pipeline.test_decode import SPEC, difference, encode, scene

WHITES = {"share": 1.0, "8 bit": 255.0, "16 bit": 65535.0}


def bitmap(pixels: Pixels, fourth: int) -> bytes:
    """Returns a BMP of 32 bits a pixel, whose fourth byte means nothing (BI_RGB)."""
    height, width, _ = pixels.shape
    filled = np.full((height, width, 1), fourth, np.uint8)
    rows = np.concatenate([pixels[::-1, :, ::-1], filled], axis=2).tobytes()
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 32, 0, len(rows), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + head + rows


@pytest.mark.parametrize("white", WHITES.values(), ids=WHITES)
def test_floating_point_grey_is_scaled_and_not_clipped(white: float) -> None:
    grey = scene()[:, :, 0]
    grey[0, 0] = 255
    stored = Image.fromarray((grey / 255 * white).astype(np.float32))
    shown = decode(encode(stored, "TIFF"), SPEC)
    assert difference(shown, np.repeat(grey[:, :, None], 3, axis=2)) <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0, 1e30])
def test_floating_point_values_without_a_colour_are_black_or_white(value: float) -> None:
    stored = np.full((40, 40), 0.5, np.float32)
    stored[:20] = value
    assert set(np.unique(decode(encode(Image.fromarray(stored), "TIFF"), SPEC))) <= {0, 127, 255}


def test_a_gain_map_behind_a_photo_is_neither_read_nor_a_page() -> None:
    gain_map = Image.fromarray(scene()[::2, ::2, 0])
    data = encode(scene(), "MPO", save_all=True, append_images=[gain_map], quality=98)
    shown, warnings, _ = decode_image(data, SPEC)
    assert warnings == []
    assert difference(shown, decode(encode(scene(), "JPEG", quality=98), SPEC)) == 0


@pytest.mark.parametrize("fourth", [0, 255])
def test_the_fourth_byte_of_a_bitmap_is_no_transparency(fourth: int) -> None:
    assert difference(decode(bitmap(scene(), fourth), SPEC), scene()) == 0


@pytest.mark.parametrize("form", ["TIFF", "JPEG"])
def test_inks_are_converted(form: str) -> None:
    options = {"quality": 98, "subsampling": 0} if form == "JPEG" else {}
    inks = Image.fromarray(scene()).convert("CMYK")
    assert difference(decode(encode(inks, form, **options), SPEC), scene()) <= 8
