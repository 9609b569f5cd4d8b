"""Small images and videos in many formats, for mutation."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from PIL import ExifTags, Image

from model_handlers.pipeline.decode import Pixels
from tests.support.heif import heic, hevc_image
from tests.support.icc import rgb_profile
from tests.support.paths import ROOT
from tests.support.videos import pan, write_video

_SIDE = 64


def images() -> dict[str, bytes]:
    """Returns encoded images by name."""
    forms: dict[str, tuple[str, dict[str, Any]]] = {
        "jpeg": ("JPEG", {}),
        "progressive": ("JPEG", {"progressive": True}),
        "cmyk": ("JPEG", {"mode": "CMYK"}),
        "png": ("PNG", {}),
        "palette": ("PNG", {"mode": "P"}),
        "grey16": ("PNG", {"mode": "I;16"}),
        "webp": ("WEBP", {}),
        "lossless": ("WEBP", {"lossless": True}),
        "bmp": ("BMP", {}),
        "avif": ("AVIF", {}),
        "tiff": ("TIFF", {"compression": "tiff_lzw"}),
        "deflate": ("TIFF", {"compression": "tiff_deflate"}),
        "packbits": ("TIFF", {"compression": "packbits", "mode": "P"}),
        "profile": ("JPEG", {"icc_profile": rgb_profile("Display P3"), "exif": _turned()}),
        "png-profile": ("PNG", {"icc_profile": rgb_profile("ProPhoto")}),
        "webp-profile": ("WEBP", {"icc_profile": rgb_profile("Adobe RGB"), "exif": _turned()}),
    }
    seeds = {name: _image(form, **options) for name, (form, options) in forms.items()}
    for name, chunk in _PNG_COLOURS.items():
        seeds[name] = _with_chunk(seeds["png"], chunk)
    for form in ("GIF", "PNG", "WEBP", "AVIF"):
        seeds[f"animated-{form.lower()}"] = _image(form, save_all=True, append_images=_frames())
    seeds["heic"] = (ROOT / "tests" / "data" / "astronaut.heic").read_bytes()
    tile = hevc_image(_SIDE, _SIDE)
    seeds["heic-one"] = heic(*tile, (_SIDE, _SIDE))
    seeds["heic-grid"] = heic(*tile, (_SIDE, _SIDE), (3, 2))
    return seeds


def videos(folder: Path) -> dict[str, bytes]:
    """Returns videos of eight frames by name; `folder` is for their files."""
    frames = [frame[60 : 60 + _SIDE, 100 : 100 + _SIDE] for frame in pan(_portrait(), 8)]
    kinds: dict[str, dict[str, Any]] = {
        "h264.mp4": {},
        "turned.mp4": {"rotation": 90},
        "h264.ts": {},
        "interlaced.ts": {"codec": "mpeg2video", "codec_options": {"flags": "+ildct+ilme"}},
        "h264.flv": {},
        "hevc.mkv": {"codec": "libx265", "codec_options": {"x265-params": "log-level=none"}},
        "mpeg4.avi": {"codec": "mpeg4"},
        "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
        "vp8.webm": {"codec": "libvpx", "codec_options": _REALTIME},
        "alpha.webm": {"codec": "libvpx-vp9", "pix_fmt": "yuva420p", "codec_options": _REALTIME},
        "vp9.ivf": {"codec": "libvpx-vp9", "codec_options": _REALTIME},
        "av1.mp4": {"codec": "libsvtav1", "codec_options": {"preset": "12"}},
        "hdr.mp4": {"codec": "libx265", "pix_fmt": "yuv420p10le", "codec_options": _PQ},
        "fragmented.mp4": {"options": {"movflags": "frag_keyframe+empty_moov"}},
        "mpeg1.mpg": {"codec": "mpeg1video", "rate": 25},
        "wmv2.asf": {"codec": "wmv2"},
        "flv1.flv": {"codec": "flv"},
        "mpeg4.nut": {"codec": "mpeg4"},
        "mpeg2.mxf": {"codec": "mpeg2video", "rate": 25},
        "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuva444p10le"},
        "huffyuv.avi": {"codec": "huffyuv", "pix_fmt": "rgb24"},
        "ffv1.mkv": {"codec": "ffv1"},
        "cinepak.mov": {"codec": "cinepak", "pix_fmt": "rgb24"},
        "qtrle.mov": {"codec": "qtrle", "pix_fmt": "argb"},
        "jpeg2000.mov": {"codec": "jpeg2000", "pix_fmt": "rgb24"},
        "h264.h264": {"codec_options": {"x264-params": "ref=4:bframes=2:interlaced=1"}},
        "gif.gif": {"codec": "gif", "pix_fmt": "rgb8"},
        "apng.apng": {"codec": "apng", "pix_fmt": "rgba"},
    }
    seeds = {}
    for name, options in kinds.items():
        seeds[name] = write_video(folder / name, frames, **options).read_bytes()
    seeds["sequence.avif"] = _image("AVIF", save_all=True, append_images=_frames())
    return seeds


_PQ = {"x265-params": "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"}
_REALTIME = {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0"}


_PNG_COLOURS = {
    "png-gamma": struct.pack(">4sI", b"gAMA", 100000),
    "png-primaries": struct.pack(
        ">4s8I", b"cHRM", 31270, 32900, 68000, 32000, *([26500, 69000] * 2)
    ),
    "png-hdr": b"cICP" + bytes([9, 16, 0, 1]),
}
"""Chunks of colours, without length and checksum."""


def _with_chunk(png: bytes, chunk: bytes) -> bytes:
    """Inserts a chunk behind the header, which has 33 bytes."""
    length, checksum = struct.pack(">I", len(chunk) - 4), struct.pack(">I", zlib.crc32(chunk))
    return png[:33] + length + chunk + checksum + png[33:]


def _turned() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return exif.tobytes()


def _portrait() -> Pixels:
    return np.asarray(skimage.data.astronaut())


def _frames() -> list[Image.Image]:
    portrait = Image.fromarray(_portrait()[:256, 96:352]).resize((_SIDE, _SIDE))
    return [portrait.rotate(90 * turn) for turn in range(3)]


def _image(form: str, mode: str = "RGB", **options: Any) -> bytes:
    stream, first = io.BytesIO(), _frames()[0]
    if mode == "I;16":
        first = Image.fromarray(np.asarray(first.convert("L")).astype(np.uint16) * 257)
    elif mode != "RGB":
        first = first.convert(mode)
    first.save(stream, form, **options)
    return stream.getvalue()
