"""The geometry that a player shows a frame in: its orientation, and the shape of its pixels."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from deepfake_serving.video.presentation.side_data import side_data

_MATRIX_BYTES = 36
_MAX_ASPECT = 16
"""Pixels stretched by more are a mistake of the file's, and are shown square."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """The mirroring, then the turns, that set stored pixels upright."""

    mirrored: bool = False
    """Whether left and right are exchanged first."""
    quarter_turns: int = 0
    """Counterclockwise, 0 to 3."""

    def apply(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Returns a view of (h, w, c), upright."""
        return np.rot90(pixels[:, ::-1] if self.mirrored else pixels, self.quarter_turns)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Returns width and height, upright."""
        return (width, height) if self.quarter_turns % 2 == 0 else (height, width)


def orientation_of(image: VideoFrame) -> Orientation:
    """Reads the display matrix (ISO/IEC 14496-12, 6.2.2), from the container or the codec.

    Other angles are rounded to quarter turns.
    """
    raw = side_data(image).get(Type.DISPLAYMATRIX)
    if raw is None or len(raw) < _MATRIX_BYTES:
        return Orientation()
    a, b, _, c, d = struct.unpack_from("=5i", raw)
    mirrored = a * d < b * c
    if mirrored:
        a, b = -a, -b
    return Orientation(mirrored, round(np.degrees(np.arctan2(-b, a)) / 90) % 4)


class PixelAspect:
    """The width of a stream's pixels through their height, 1 where it is unknown or extreme.

    The container's counts before the codec's, until the latter changes midway, at a keyframe.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._codec = stream.codec_context
        self._declared = stream.sample_aspect_ratio or self._codec.sample_aspect_ratio
        self._first: Fraction | None = None
        self._current = Fraction(1)

    def of(self, image: VideoFrame) -> Fraction:
        """Returns the aspect of the pixels of the frame that was decoded last."""
        if self._first is None or image.key_frame:
            self._update()
        return self._current

    def _update(self) -> None:
        latest = self._codec.sample_aspect_ratio or Fraction(1)
        self._first = self._first or latest
        aspect = (self._declared or latest) if latest == self._first else latest
        self._current = aspect if Fraction(1, _MAX_ASPECT) <= aspect <= _MAX_ASPECT else Fraction(1)
