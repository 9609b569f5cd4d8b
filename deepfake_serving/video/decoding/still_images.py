"""Still images that are sent as videos: recognised, to say what to do instead."""

from __future__ import annotations

import re

from deepfake_serving.contracts.problems import UnsupportedMediaType

STILL_BRANDS = frozenset({"avif", "heic", "heix", "heim", "heis", "mif1"})
"""Brands of still images (ISO/IEC 23008-12). FFmpeg reads one tile of those made of several."""

_WEBP = re.compile(rb"RIFF....WEBP(VP8X....(.))?", re.DOTALL)
"""Start of a WebP file, with the flags of an extended one (RFC 9649, 2.7)."""
_WEBP_ANIMATION = 2

_FORMATS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"BM": "BMP",
}
"""Starts of files that FFmpeg doesn't read as videos, unless they are animated or a sequence."""
_APNG_CONTROL = b"acTL"
"""Chunk of an animated PNG, before its pixels (PNG, 11.3.6.1)."""


def still_image(form: str) -> UnsupportedMediaType:
    """Returns the problem of a still image in the place of a video."""
    return UnsupportedMediaType(
        f"the file is a still image ({form}), not a video; send it as an image, to /v1/images or "
        "`deepfake-serving detect`"
    )


def refuse_webp(start: bytes) -> None:
    """Refuses WebP, which FFmpeg can't read as a video, and says what to do."""
    webp = _WEBP.match(start)
    if webp is None:
        return
    if webp[2] is not None and webp[2][0] & _WEBP_ANIMATION:
        raise UnsupportedMediaType(
            "animated WebP is not supported as a video; convert it to MP4, WebM, AVIF or GIF, or "
            "send it as an image, of which the first frame is analysed"
        )
    raise still_image("WebP")


def refuse_unread_image(start: bytes) -> None:
    """Refuses an image that FFmpeg does not read as a video."""
    for magic, form in _FORMATS.items():
        if start.startswith(magic) and _APNG_CONTROL not in start:
            raise still_image(form)
