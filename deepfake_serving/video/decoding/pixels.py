"""Decoded frames as arrays: full-size ones for the detector, thumbnails for galleries, small ones
for cuts.

A frame is resampled for the detector only where its pixels are not square or it exceeds the size
limit of a call: the detector looks for traces that resampling removes.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from deepfake_serving.video.decoding.frames import Frame
from deepfake_serving.video.presentation.conversion_errors import conversion_errors

Pixels = npt.NDArray[np.uint8]

MAX_BATCH_BYTES = 24 * 2**20
"""Size limit of the frames of one call to the detector."""
_THUMBNAIL_SIDE, _SMALL_SIDE = 240, 160


class FrameConverter:
    """Converts frames, with one FFmpeg scaler for each size, since scalers are slow to set up."""

    def __init__(self) -> None:
        self._full, self._thumbnail, self._small = (VideoReformatter() for _ in range(3))

    def full_size(self, frame: Frame) -> Pixels:
        """Returns uint8 (h, w, 3) RGB, as shown, of at most `MAX_BATCH_BYTES`."""
        width, height = frame.size
        scale = min(1.0, math.sqrt(MAX_BATCH_BYTES / (3 * width * height)))
        return _to_array(self._full, frame, scale, "rgb24", "BILINEAR")

    def thumbnail(self, frame: Frame) -> Pixels:
        """Returns uint8 (h, w, 3) BGR, as shown, with a longer side of at most 240 pixels."""
        return _reduced(self._thumbnail, frame, _THUMBNAIL_SIDE)

    def small(self, frame: Frame) -> Pixels:
        """Returns uint8 (h, w, 3) BGR, as shown, with a longer side of at most 160 pixels."""
        return _reduced(self._small, frame, _SMALL_SIDE)


def _reduced(scaler: VideoReformatter, frame: Frame, side: int) -> Pixels:
    return _to_array(scaler, frame, min(1.0, side / max(frame.size)), "bgr24", "AREA")


def _to_array(
    scaler: VideoReformatter, frame: Frame, scale: float, pixel_format: str, interpolation: str
) -> Pixels:
    width, height = (max(1, int(side * scale)) for side in frame.orientation.size(*frame.size))
    with conversion_errors():
        converted = scaler.reformat(
            frame.image, width, height, pixel_format, interpolation=interpolation, threads=1
        )
    array = np.asarray(converted.to_ndarray(), dtype=np.uint8)
    return np.ascontiguousarray(frame.orientation.apply(array))
