"""Transparent frames, shown on white like transparent images."""

from __future__ import annotations

import functools

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter


@functools.lru_cache(maxsize=256)
def has_alpha(name: str) -> bool:
    """Returns whether frames of FFmpeg's pixel format of that name can be transparent."""
    pixel_format = VideoFormat(name)
    return pixel_format.has_palette or any(part.is_alpha for part in pixel_format.components)


def flatten(scaler: VideoReformatter, image: VideoFrame) -> VideoFrame:
    """Returns the frame on white, as RGB; a frame without transparent pixels stays as it is."""
    rgba = scaler.reformat(image, format="rgba", threads=1).to_ndarray()
    alpha = rgba[..., 3:].astype(np.uint16)
    if alpha.min() == 255:
        return image
    shown = (rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    flat = VideoFrame.from_ndarray(shown.astype(np.uint8), format="rgb24")
    flat.color_trc, flat.color_primaries = image.color_trc, image.color_primaries
    return flat
