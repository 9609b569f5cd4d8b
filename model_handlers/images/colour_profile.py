"""Colours: from those of an image's ICC profile to sRGB, as browsers show them."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

_COLOUR_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Colour space of a profile (ICC.1:2022, 7.2.8) → mode of the pixels that it applies to."""
_LINK_CLASSES = frozenset({"link", "abst", "nmcl"})
"""Classes of profiles that describe no image (ICC.1:2022, 7.2.7)."""
_MAX_PROFILE_BYTES = 8 * 2**20
_MAX_ROUNDING = 2
"""Grey levels that a profile may change any colour by and still count as sRGB's own."""


def to_srgb(image: Image.Image) -> Image.Image:
    """Converts an 8-bit image to sRGB.

    Without a profile, with one that can't be used or doesn't fit, and with sRGB's own, the pixels
    stay as they are.

    Args:
        image: mode 1, L, LA, P, PA, RGB, RGBA or CMYK, with its profile as `info["icc_profile"]`.

    Returns:
        RGB or RGBA after a conversion, otherwise `image`.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not 128 <= len(profile) <= _MAX_PROFILE_BYTES:
        return image
    found = _conversion(profile)
    if found is None:
        return image
    mode, transform = found
    if mode == "CMYK":
        return _apply(transform, image) if image.mode == "CMYK" else image
    if image.mode == "CMYK" or (mode == "L" and image.mode not in ("1", "L", "LA")):
        return image
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    opaque = image.convert("RGB") if alpha is not None else image
    converted = _apply(transform, opaque.convert(mode))
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _apply(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # only a conversion in place returns None
    return converted


@functools.lru_cache(maxsize=4)
def _conversion(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform] | None:
    """Returns the mode that a profile applies to, and its conversion; None to change nothing."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _COLOUR_SPACES.get(source.profile.xcolor_space)
        if mode is None or source.profile.device_class in _LINK_CLASSES:
            return None
        transform = ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), mode, "RGB", ImageCms.Intent.PERCEPTUAL
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return None if mode != "CMYK" and _changes_nothing(mode, transform) else (mode, transform)


def _changes_nothing(mode: str, transform: ImageCms.ImageCmsTransform) -> bool:
    steps = np.linspace(0, 255, 18).astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
    sample = Image.fromarray(colours).convert(mode)
    change = np.asarray(_apply(transform, sample), int) - np.asarray(sample.convert("RGB"), int)
    return bool(np.abs(change).max() <= _MAX_ROUNDING)
