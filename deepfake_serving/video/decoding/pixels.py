"""Decoded frames to arrays: whole ones for the detector, small ones for cuts and pictures.

Nothing is resampled on the way to the detector but what is too large to be sent: it looks for
traces that resampling wipes out. So pixels that are not square stay as they are.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from deepfake_serving.video.decoding.frames import Frame

Pixels = npt.NDArray[np.uint8]

MOST_BYTES = 24 * 2**20
"""Of the frames of one call."""
_SMALL_SIDE = 240


class Converter:
    """Converts, each size by a scaler of its own, which FFmpeg is slow to set up."""

    def __init__(self) -> None:
        self._whole, self._small = VideoReformatter(), VideoReformatter()

    def whole(self, frame: Frame) -> Pixels:
        """uint8 (h, w, 3) RGB, upright, of at most `MOST_BYTES`."""
        width, height = frame.picture.width, frame.picture.height
        scale = min(1.0, math.sqrt(MOST_BYTES / (3 * width * height)))
        return _array(self._whole, frame, scale, "rgb24", "BILINEAR")

    def small(self, frame: Frame) -> Pixels:
        """uint8 (h, w, 3) BGR, upright, the longer side `_SMALL_SIDE` pixels."""
        scale = _SMALL_SIDE / max(frame.picture.width, frame.picture.height)
        return _array(self._small, frame, min(1.0, scale), "bgr24", "AREA")


def _array(
    scaler: VideoReformatter, frame: Frame, scale: float, form: str, interpolation: str
) -> Pixels:
    picture = frame.picture
    width, height = (max(1, int(side * scale)) for side in (picture.width, picture.height))
    converted = scaler.reformat(
        picture, width, height, form, interpolation=interpolation, threads=1
    )
    array = np.rot90(converted.to_ndarray(), frame.turns)
    return np.ascontiguousarray(array, dtype=np.uint8)
