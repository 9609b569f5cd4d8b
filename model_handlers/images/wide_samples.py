"""Samples of more than 8 bits, of PNGs and TIFFs, that Pillow reads otherwise than stated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

_BITS_TAG, _PHOTOMETRIC_TAG, _PLANES_TAG, _FORMAT_TAG = 258, 262, 284, 339
"""Bits of a sample, what its values mean, how channels are stored and whether they are signed (TIFF
6.0, sections 8 and 19)."""
_WHITE_IS_ZERO, _UNSIGNED, _SIGNED = 0, 1, 2
_ONE_PLANE, _SEPARATE_PLANES = 1, 2
_FLOAT_WHITES = (1.0, 255.0, 65535.0)
_INT_WHITES = (255.0, 65535.0, 2.0**31 - 1, 2.0**32 - 1)
"""Values of white that software writes into TIFFs of floating-point or 32-bit samples, which do not
state theirs."""


def correct_planes(image: ImageFile.ImageFile) -> None:
    """Makes the wide samples of a TIFF load whose channels are in planes of their own.

    Pillow takes each of their bytes for a sample, where they are not compressed. Other images stay
    as they are.
    """
    tags: Any = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_TAG, ())
    if not isinstance(image, TiffImageFile) or tags.get(_PLANES_TAG) != _SEPARATE_PLANES:
        return
    if len(bits) == 1:  # a single plane is as good as none
        tags[_PLANES_TAG] = _ONE_PLANE
        image._setup()
    if 16 not in bits or len(bits) == 1:
        return
    suffix = f";16{'B' if tags.prefix == b'MM' else 'L'}"
    image.tile = [
        tile._replace(args=(f"{tile.args[0]}{suffix}", *tile.args[1:]))
        if tile.codec_name == "raw" and isinstance(tile.args, tuple)
        else tile
        for tile in image.tile
    ]


def to_8_bit(image: Image.Image) -> Image.Image:
    """Scales wide and floating-point grey to 8 bits. Pillow's conversion would clip it.

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
    bits, kind = tags.get(_BITS_TAG), tags.get(_FORMAT_TAG, (_UNSIGNED,))[0]
    stored = np.asarray(image)
    if image.mode == "F":
        values = _scaled(stored, _FLOAT_WHITES)
    elif bits == (32,):
        values = _scaled(stored if kind == _SIGNED else stored.view(np.uint32), _INT_WHITES)
    elif bits == (12,) or kind == _SIGNED:
        values = _scaled(stored, (4095.0 if bits == (12,) else 32767.0,))
    else:
        values = np.clip(stored.astype(np.int64), 0, 65535)
    return 65535 - values if tags.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO else values


def _scaled(stored: npt.NDArray[Any], whites: Sequence[float]) -> npt.NDArray[np.int64]:
    """Returns values up to 65535 of those that end at the first of `whites` that holds them."""
    values = np.nan_to_num(stored.astype(np.float64))
    highest = float(values.max(initial=0.0))
    white = next((end for end in whites if highest <= end), whites[-1])
    return np.rint(np.clip(values / white, 0, 1) * 65535).astype(np.int64)
