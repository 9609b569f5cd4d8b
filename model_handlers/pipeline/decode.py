"""Decoding: from encoded bytes to upright 8-bit RGB pixels."""

from __future__ import annotations

import re
import warnings
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pi_heif
from PIL import AvifImagePlugin, Image, PngImagePlugin, UnidentifiedImageError

from deepfake_serving.contracts.problems import (
    InvalidRequest,
    TooLarge,
    TooManyPixels,
    UndecodableMedia,
    UnsupportedMediaType,
)
from model_handlers.images.av1 import largest_frame
from model_handlers.images.colour_profile import to_srgb
from model_handlers.images.decoding_cost import check_parts
from model_handlers.images.heif_colours import avif_profile, heic_profile
from model_handlers.images.jpeg.cut_short import closed, part_read
from model_handlers.images.jpeg.half_size import FACTOR, halve
from model_handlers.images.orientation import forget_xmp, upright, upright_size
from model_handlers.images.png_colours import png_profile
from model_handlers.images.tiff_layout import unsupported_layout
from model_handlers.images.time_limit import LimitedFile, within
from model_handlers.images.wide_samples import correct_planes, to_8_bit
from model_handlers.manifest import DecodeSpec

Pixels = npt.NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "AVIF", "HEIF", "TIFF")
"""Supported formats. MPO, the JPEG of phones with several lenses, is read as JPEG."""

SUPPORTED = "JPEG, PNG, WebP, BMP, GIF, AVIF, HEIC or TIFF"
VIDEOS = "videos go to /v1/videos, or to `deepfake-serving video`"

_VIDEO_BRANDS = (b"iso", b"mp4", b"avc1", b"qt  ", b"M4V", b"3g", b"dash", b"MSNV")
"""Beginnings of the brands of MP4 and QuickTime. Raw photos, for example, have other brands."""

_BACKGROUND = (255, 255, 255)
_JPEG = b"\xff\xd8\xff"
_MAGIC = (
    *(_JPEG, b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM"),
    *(b"II*\0", b"MM\0*"),
)
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1")
"""Brands of AVIF and HEIC files (ISO/IEC 23008-12, annex B)."""
_COUNT = re.compile(r"\((\d+) pixels\)")
"""In Pillow's refusal of an image."""
_MIN_SHARE = 0.5
"""Share of an image that was cut short below which it is refused."""
_BLOCK_TAGS = (322, 323)
"""Width and height of a TIFF's tiles (TIFF 6.0, section 15)."""
_MAX_METADATA_BYTES = 16 * 2**20
"""Length of a PNG's text or profile, decompressed. Editors write more than Pillow's own 1 MiB."""


class DecodedImage(NamedTuple):
    """An image, uint8 (height, width, 3), and sentences on what is not in it.

    `full_size` is the width and height of an image that was decoded at half its size.
    """

    pixels: Pixels
    warnings: list[str]
    full_size: tuple[int, int] | None = None


def decode(data: bytes, spec: DecodeSpec) -> Pixels:
    """Decodes as `decode_image` does; returns the pixels alone."""
    return decode_image(data, spec).pixels


def decode_image(data: bytes, spec: DecodeSpec) -> DecodedImage:
    """Decodes the first frame of an image in one of `FORMATS`.

    EXIF orientation is applied, colours of an ICC profile, of a PNG's chunks or of code points in
    AVIF and HEIC are converted to sRGB, alpha is flattened onto white, grey, palette, CMYK and
    16-bit images become 8-bit RGB. JPEGs over the pixel limit are decoded at half their width and
    height if these are within it (`model_handlers.images.jpeg.half_size`).

    Args:
        data: the encoded image.
        spec: the limits; the pixel limit is checked on the header, before anything is decoded.

    Returns:
        Pixels, which may be read-only, and warnings: of further frames or pages, of an end that is
        missing.

    Raises:
        InvalidRequest: `data` is empty.
        TooLarge, TooManyPixels: over a limit, which the message states.
        UnsupportedMediaType: not one of `FORMATS`, or a TIFF of unusual samples.
        UndecodableMedia: a supported format, but corrupt, of too many scans or chunks, or one that
            takes too long.
        Overloaded: images that take too long are being decoded.
    """
    if not data:
        raise InvalidRequest("the image is empty")
    if len(data) > spec.max_bytes:
        raise TooLarge(f"the image has {len(data)} bytes; the limit is {spec.max_bytes}")
    check_parts(data, spec.max_scans, spec.max_chunks)
    return within(spec.max_seconds, lambda: _opened(data, spec))


def _opened(data: bytes, spec: DecodeSpec) -> DecodedImage:
    # Some plugins allocate the canvas while they open a file, so Pillow must know the limit. It
    # raises at twice its own.
    times = FACTOR**2 if data.startswith(_JPEG) else 1
    Image.MAX_IMAGE_PIXELS = (spec.max_pixels * times + 1) // 2
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata, which is not read
            with Image.open(LimitedFile(data, spec.max_seconds), formats=FORMATS) as image:
                full_size = image.size
                if halve(image, data, spec.max_pixels):
                    return _decoded_half(image, full_size, data, spec)
                _check_pixels(image.width, image.height, spec)
                _check_tiles(image, spec)
                _check_coded_size(image, data, spec)
                correct_planes(image)
                return _decoded(image, data, spec)
    except UnidentifiedImageError as error:
        if (unsupported := unsupported_layout(data)) is not None:
            raise UnsupportedMediaType(unsupported) from error
        if _has_known_magic(data):
            raise UndecodableMedia("the image is corrupt: its header can't be read") from error
        if _is_video(data):
            raise UnsupportedMediaType(f"this is a video, not an image; {VIDEOS}") from error
        raise UnsupportedMediaType(f"not a supported image format; send {SUPPORTED}") from error
    except Image.DecompressionBombError as error:
        count = _COUNT.search(str(error))
        size = f"{count[1]} pixels" if count else "too many pixels"
        raise TooManyPixels(f"the image has {size}; the limit is {spec.max_pixels}") from error
    except (TooManyPixels, UndecodableMedia, MemoryError):
        raise
    except Exception as error:  # Pillow's plugins raise many kinds of exceptions on corrupt files
        raise UndecodableMedia(f"the image is corrupt: {error}") from error


def check_tensor(pixels: npt.NDArray[Any], spec: DecodeSpec) -> Pixels:
    """Checks decoded pixels: uint8 (height, width, 3), within the limits.

    Raises:
        InvalidRequest: another type or shape.
        TooManyPixels: over the limit.
    """
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
            f"the image has {width} x {height} pixels; the limit is {spec.max_pixels}"
        )


def _has_known_magic(data: bytes) -> bool:
    """Returns whether the first bytes are those of a supported format."""
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    heif = data[4:8] == b"ftyp" and data[8:12] in _BRANDS
    return webp or heif or data.startswith(_MAGIC)


def _is_video(data: bytes) -> bool:
    """Returns whether the first bytes are those of MP4, QuickTime, Matroska, WebM or AVI."""
    avi = data[:4] == b"RIFF" and data[8:12] == b"AVI "
    mp4 = data[4:8] == b"ftyp" and data[8:12].startswith(_VIDEO_BRANDS)
    return avi or mp4 or data.startswith(b"\x1a\x45\xdf\xa3")


def _check_tiles(image: Image.Image, spec: DecodeSpec) -> None:
    """Checks a TIFF's tiles, which may be larger than the image."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        width, height = (int(tags.get(tag, 0)) for tag in _BLOCK_TAGS)
        _check_pixels(width, height, spec)


def _check_coded_size(image: Image.Image, data: bytes, spec: DecodeSpec) -> None:
    """Checks the frames of an AVIF, which may be larger than the image that they are scaled to.

    libheif refuses such files itself.
    """
    if image.format == "AVIF":
        size = largest_frame(data)
        if size is None:
            raise UndecodableMedia("the image is corrupt: it has no sequence header")
        _check_pixels(*size, spec)


def _decoded_half(
    image: Image.Image, full_size: tuple[int, int], data: bytes, spec: DecodeSpec
) -> DecodedImage:
    decoded = _decoded(image, data, spec)
    width, height = upright_size(image, full_size)
    warning = (
        f"the image has {width} x {height} pixels, over the limit of {spec.max_pixels}: it was "
        "analysed at half its width and height"
    )
    return DecodedImage(decoded.pixels, [*decoded.warnings, warning], (width, height))


def _decoded(image: Image.Image, data: bytes, spec: DecodeSpec) -> DecodedImage:
    forget_xmp(image)
    try:
        image.load()
    except OSError:
        if image.format not in ("JPEG", "MPO"):
            raise
        return _decoded_in_part(data, spec)
    if (profile := _stated_profile(image, data)) is not None:
        image.info["icc_profile"] = profile
    return DecodedImage(_to_rgb(image), _warnings_of_frames(image))


def _stated_profile(image: Image.Image, data: bytes) -> bytes | None:
    """Returns the profile of colours that a file states otherwise; None if its own counts."""
    if image.format == "PNG":
        return png_profile(data)
    if image.info.get("icc_profile"):
        return None
    if image.format == "AVIF":
        return avif_profile(data)
    return heic_profile(image.info) if image.format == "HEIF" else None


def _decoded_in_part(data: bytes, spec: DecodeSpec) -> DecodedImage:
    """Decodes a JPEG that was cut short."""
    data = closed(data)
    with Image.open(LimitedFile(data, spec.max_seconds), formats=("JPEG",)) as image:
        halve(image, data, spec.max_pixels)
        image.load()
        part = part_read(data, np.asarray(image), spec.max_seconds)
        warning = f"the image is cut short: {part.description}"
        if part.share < _MIN_SHARE:
            raise UndecodableMedia(f"{warning}; at least {_MIN_SHARE:.0%} are needed")
        return DecodedImage(_to_rgb(image), [warning])


def _warnings_of_frames(image: Image.Image) -> list[str]:
    """Returns a warning if an animation or a document has more than the first frame."""
    if image.format == "MPO":  # the same scene through other lenses
        return []
    try:
        more = bool(getattr(image, "is_animated", False))
    except Exception:  # as when reading EXIF
        more = False
    part = "page" if image.format == "TIFF" else "frame"
    return [f"only the first {part} of the image was analysed"] if more else []


def _to_rgb(image: Image.Image) -> Pixels:
    return np.asarray(_flatten(to_srgb(to_8_bit(upright(image)))))


def _flatten(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    layer = image.convert("RGBA")
    background = Image.new("RGBA", layer.size, (*_BACKGROUND, 255))
    return Image.alpha_composite(background, layer).convert("RGB")


# One thread, as workers share the cores; what else the file holds is not decoded.
pi_heif.register_heif_opener(
    decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
)
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
PngImagePlugin.MAX_TEXT_CHUNK = _MAX_METADATA_BYTES
Image.init()  # loads the plugins now instead of within the first request
