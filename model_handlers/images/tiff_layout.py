"""TIFFs whose pixels Pillow cannot read, although the file is sound."""

from __future__ import annotations

import io
from typing import Any

from PIL import TiffImagePlugin

_BITS, _COMPRESSION, _MEANING, _SAMPLES, _FORMAT = 258, 259, 262, 277, 339
"""Tags of TIFF 6.0, sections 8 and 19."""
_BIG = 43
_KINDS = {2: "signed", 3: "floating-point"}
_MAX_SAMPLES, _MAX_BITS = 16, 64
_READ = {(*key[:3], key[4]) for key in TiffImagePlugin.OPEN_INFO}
"""Byte order, meaning, kinds and bits of the samples of a pixel that Pillow reads in some order."""


def unsupported_layout(data: bytes) -> str | None:
    """Returns what is not supported, and what to do; None for other files and for damaged ones."""
    try:
        tags = _tags(data)
        compression = int(tags.get(_COMPRESSION, 1))
        kinds, bits = _samples(tags)
    except Exception:  # Pillow raises many kinds of exceptions on corrupt files
        return None
    if compression not in TiffImagePlugin.COMPRESSION_INFO:
        return f"a TIFF of compression {compression} is not supported; save it with LZW or none"
    layout = (tags.prefix, tags.get(_MEANING, 0), kinds, bits)
    if layout in _READ or not all(0 < each <= _MAX_BITS for each in bits):
        return None
    kind = f"{_KINDS[kinds[0]]} " if kinds[0] in _KINDS else ""
    return (
        f"a TIFF with {len(bits)} x {max(bits)} {kind}bits per pixel is not supported; "
        "save it as grey, RGB or RGBA with 8 or 16 bits per channel"
    )


def _tags(data: bytes) -> Any:
    """Returns the tags of the first page."""
    if not data.startswith((b"II", b"MM")):
        raise ValueError("no TIFF")
    stream = io.BytesIO(data)
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if _BIG in data[2:4] else 8])
    stream.seek(tags.next)
    tags.load(stream)
    return tags


def _samples(tags: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Returns the kinds of the samples of a pixel, one if they are equal, and their bits."""
    kinds, bits = tags.get(_FORMAT, (1,)), tags.get(_BITS, (1,))
    samples = int(tags.get(_SAMPLES, 1))
    if not 0 < samples <= _MAX_SAMPLES:
        raise ValueError("a wrong number of samples")
    if len(bits) == 1:
        bits *= samples
    return (kinds[:1] if len(set(kinds)) == 1 else kinds), bits[:samples]
