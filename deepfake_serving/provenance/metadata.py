"""EXIF and XMP of an image, read by Pillow from its header; no pixel is decoded."""

from __future__ import annotations

import io
import re
import warnings
from typing import Any, NamedTuple

from PIL import ExifTags, Image

from deepfake_serving.provenance.text import short, term

_SOURCE_TYPE = re.compile(rb"DigitalSourceType(?:>|\s*=\s*[\"'])\s*([^<\"']{1,300})")
_CREATOR_TOOL = re.compile(rb"CreatorTool(?:>|\s*=\s*[\"'])\s*([^<\"']{1,300})")
_XMP_START, _XMP_END = b"<x:xmpmeta", b"</x:xmpmeta>"
_MAX_XMP_BYTES = 2**20


class Metadata(NamedTuple):
    """Fields of EXIF and XMP, see `Provenance`."""

    software: str | None = None
    camera: str | None = None
    taken_at: str | None = None
    source_type: str | None = None


def read_metadata(data: bytes) -> Metadata:
    """Reads the metadata of an image; what is missing or malformed is None."""
    exif = _exif(data)
    xmp = _xmp(data)
    make, model = (short(exif.get(tag)) for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
    return Metadata(
        software=short(exif.get(ExifTags.Base.Software)) or _field(_CREATOR_TOOL, xmp),
        camera=_camera(make, model),
        taken_at=short(exif.get(ExifTags.Base.DateTimeOriginal)),
        source_type=term(_field(_SOURCE_TYPE, xmp)),
    )


def media_type(data: bytes) -> str | None:
    """Returns the image's media type, by its content."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                return Image.MIME.get(image.format or "")
    except Exception:  # Pillow's parsers raise many kinds
        return _heif_type(data)


def _heif_type(data: bytes) -> str | None:
    """Returns the type of an image that Pillow can't open without a plugin (ISO/IEC 23008-12)."""
    if data[4:8] != b"ftyp":
        return None
    return {b"avif": "image/avif", b"heic": "image/heic", b"mif1": "image/heif"}.get(data[8:12])


def _exif(data: bytes) -> dict[int, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                exif = image.getexif()
                return {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except Exception:  # as above
        return {}


def _xmp(data: bytes) -> bytes:
    """Returns the first XMP packet, in whichever container (ISO 16684-1, serialised as UTF-8)."""
    start = data.find(_XMP_START)
    if start < 0:
        return b""
    end = data.find(_XMP_END, start, start + _MAX_XMP_BYTES)
    return data[start:end] if end > 0 else b""


def _field(pattern: re.Pattern[bytes], xmp: bytes) -> str | None:
    found = pattern.search(xmp)
    return short(found[1].decode(errors="replace")) if found else None


def _camera(make: str | None, model: str | None) -> str | None:
    if make and model and not model.startswith(make):
        return f"{make} {model}"
    return model or make
