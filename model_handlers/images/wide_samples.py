"""Samples of more than 8 bits, of PNGs and TIFFs, that Pillow reads otherwise than stated."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

_BITS_TAG, _PHOTOMETRIC_TAG, _PLANES_TAG = 258, 262, 284
"""Bits of a sample, what its values mean, and how channels are stored (TIFF 6.0, section 8)."""
_WHITE_IS_ZERO, _SEPARATE_PLANES = 0, 2
_FLOAT_WHITES = (1.0, 255.0, 65535.0)
"""Values of white that software writes into floating-point TIFFs, which do not state theirs."""


def correct_planes(image: ImageFile.ImageFile) -> None:
    """Makes the wide samples of a TIFF load whose channels are in planes of their own.

    Pillow takes each of their bytes for a sample, where they are not compressed. Other images stay
    as they are.
    """
    tags: Any = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_TAG, ())
    if tags.get(_PLANES_TAG) != _SEPARATE_PLANES or not {12, 16}.intersection(bits):
        return
    little = "L" if len(bits) > 1 else ""  # as Pillow names what it can read
    suffix = f";{bits[0]}{'B' if tags.prefix == b'MM' else little}"
    image.tile = [
        tile._replace(args=(f"{tile.args[0]}{suffix}", *tile.args[1:]))
        if tile.codec_name == "raw" and isinstance(tile.args, tuple)
        else tile
        for tile in image.tile
    ]


def to_8_bit(image: Image.Image) -> Image.Image:
    """Scales 12-bit, 16-bit and floating-point grey to 8 bits. Pillow's conversion would clip it.

    Images of other modes stay as they are.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    wide = _to_16_bit(image)
    grey = Image.fromarray((wide // 257).astype(np.uint8))
    grey.info["icc_profile"] = image.info.get("icc_profile")
    if "transparency" in image.info:
        alpha = (wide != image.info["transparency"]).astype(np.uint8) * 255
        grey.putalpha(Image.fromarray(alpha))
    return grey


def _to_16_bit(image: Image.Image) -> npt.NDArray[np.int64]:
    """Returns values up to 65535, which is white."""
    tags = getattr(image, "tag_v2", {})
    if image.mode == "F":
        values = _float_to_16_bit(image)
    else:
        values = np.clip(np.asarray(image, dtype=np.int64), 0, 65535)
        if tags.get(_BITS_TAG) == (12,):
            values = values * 65535 // 4095
    return 65535 - values if tags.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO else values


def _float_to_16_bit(image: Image.Image) -> npt.NDArray[np.int64]:
    """Returns values up to 65535 of floating-point ones, which end at 1, 255 or 65535."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    highest = float(values.max(initial=0.0))
    white = next((end for end in _FLOAT_WHITES if highest <= end), 65535.0)
    return np.rint(np.clip(values / white, 0, 1) * 65535).astype(np.int64)
