"""Bytes to pixels: one encoded picture becomes an upright 8-bit RGB array, or a named problem."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from contracts.problems import (
    InvalidRequest,
    TooLarge,
    TooManyPixels,
    UndecodableMedia,
    UnsupportedMediaType,
)
from model_handlers.manifest import DecodeSpec

Pixels = npt.NDArray[np.uint8]

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "GIF")
"""What is read; MPO is the JPEG that phones with several lenses write."""

_BACKGROUND = (255, 255, 255)


def decode(data: bytes, spec: DecodeSpec) -> Pixels:
    """Decodes the first frame of a JPEG, PNG, WebP, BMP or GIF.

    EXIF orientation is applied, alpha is flattened onto white, grey, palette, CMYK and 16-bit
    pictures become 8-bit RGB.

    Args:
        data: the encoded picture.
        spec: the bounds; the pixel bound is checked on the header, before anything is decoded.

    Returns:
        uint8 array of shape (height, width, 3).

    Raises:
        InvalidRequest: no bytes at all.
        TooLarge, TooManyPixels: over a bound, which the message states.
        UnsupportedMediaType: not one of `FORMATS`.
        UndecodableMedia: one of them, but broken.
    """
    if not data:
        raise InvalidRequest("the body is empty; an encoded picture was expected")
    if len(data) > spec.max_bytes:
        raise TooLarge(f"the picture has {len(data)} bytes; the bound is {spec.max_bytes}")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_pixels(image.width, image.height, spec)
            return _to_rgb(image)
    except UnidentifiedImageError as error:
        raise UnsupportedMediaType(
            "not a picture that is read here; send JPEG, PNG, WebP, BMP or GIF"
        ) from error
    except Image.DecompressionBombError as error:
        raise TooManyPixels(f"the picture exceeds the bound of {spec.max_pixels} pixels") from error
    except (TooManyPixels, MemoryError):
        raise
    except Exception as error:  # Pillow's plugins raise many kinds on broken content
        raise UndecodableMedia(f"the picture is broken: {error}") from error


def check_tensor(pixels: npt.NDArray[Any], spec: DecodeSpec) -> Pixels:
    """Accepts already decoded pixels: uint8 of shape (height, width, 3), within the bounds."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise InvalidRequest(
            f"a tensor of shape (height, width, 3) and type uint8 was expected, "
            f"not {list(pixels.shape)} of {pixels.dtype}"
        )
    _check_pixels(pixels.shape[1], pixels.shape[0], spec)
    return np.ascontiguousarray(pixels)


def _check_pixels(width: int, height: int, spec: DecodeSpec) -> None:
    if width * height > spec.max_pixels:
        raise TooManyPixels(
            f"the picture has {width} x {height} pixels; the bound is {spec.max_pixels}"
        )


def _to_rgb(image: Image.Image) -> Pixels:
    image.seek(0)
    image.load()
    upright = ImageOps.exif_transpose(image)
    return np.array(_flatten(_to_8_bit(upright)), dtype=np.uint8)


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Scales 16-bit and wider grey to 8 bits; Pillow's own conversion would clip it to white."""
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        wide = np.asarray(image, dtype=np.int64)
        return Image.fromarray((np.clip(wide, 0, 65535) // 257).astype(np.uint8))
    return image


def _flatten(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    background = Image.new("RGBA", layer.size, (*_BACKGROUND, 255))
    return Image.alpha_composite(background, layer).convert("RGB")


Image.init()  # registers every plugin; without it Pillow knows no MPO
# The bound above is ours, stated and checked on the header; Pillow's own would only warn.
Image.MAX_IMAGE_PIXELS = None
