"""Orientation: EXIF's, as viewers apply it."""

from __future__ import annotations

from PIL import ExifTags, Image

_METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = 5
"""From this value on, width and height are exchanged."""
_XMP = ("xmp", "XML:com.adobe.xmp")


def upright(image: Image.Image) -> Image.Image:
    """Returns an image with its orientation applied; unreadable EXIF is ignored."""
    forget_xmp(image)
    method = _METHODS.get(_orientation(image))
    return image if method is None else image.transpose(method)


def upright_size(image: Image.Image, size: tuple[int, int]) -> tuple[int, int]:
    """Returns a width and height as they are after the orientation of an image is applied."""
    width, height = size
    return (height, width) if _SIDEWAYS <= _orientation(image) <= max(_METHODS) else size


def forget_xmp(image: Image.Image) -> None:
    """Drops the XMP, from which Pillow would take an orientation that viewers don't apply.

    The text of a PNG may follow its pixels, and a TIFF is turned while it is loaded.
    """
    for key in _XMP:
        image.info.pop(key, None)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow's EXIF reader raises many kinds of exceptions
        return 1
