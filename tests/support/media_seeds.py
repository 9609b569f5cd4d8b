"""Small images and videos in many formats, for mutation."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from PIL import Image

from model_handlers.pipeline.decode import Pixels
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
    }
    seeds = {name: _image(form, **options) for name, (form, options) in forms.items()}
    for form in ("GIF", "PNG", "WEBP", "AVIF"):
        seeds[f"animated-{form.lower()}"] = _image(form, save_all=True, append_images=_frames())
    seeds["heic"] = (ROOT / "tests" / "data" / "astronaut.heic").read_bytes()
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
        "gif.gif": {"codec": "gif", "pix_fmt": "rgb8"},
        "apng.apng": {"codec": "apng", "pix_fmt": "rgba"},
    }
    seeds = {}
    for name, options in kinds.items():
        seeds[name] = write_video(folder / name, frames, **options).read_bytes()
    seeds["sequence.avif"] = _image("AVIF", save_all=True, append_images=_frames())
    return seeds


_REALTIME = {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0"}


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
