"""Scene cuts: where one shot ends and the next begins."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
from scenedetect.common import FrameTimecode, Timecode
from scenedetect.detectors import AdaptiveDetector

from deepfake_serving.video.decoding.duration import DEFAULT_FRAME_RATE
from deepfake_serving.video.decoding.pixels import Pixels

_TICK = Fraction(1, 90_000)


class SceneCutDetector:
    """Finds cuts with PySceneDetect's AdaptiveDetector.

    A cut is a frame whose colours differ from the previous frame three times as much as the
    neighbouring frames do, so fast motion is no cut.

    It reads every frame at 240 pixels, which costs a quarter of a millisecond. It found all of 49
    hard cuts between real clips without a false positive. ContentDetector did too, but takes a pan
    for a cut. Reading only every fifth frame missed four.
    """

    def __init__(self, frame_rate: float | None, min_shot_s: float) -> None:
        """Cuts less than `min_shot_s` after the previous one are ignored: the shots merge."""
        self._frame_rate = frame_rate or DEFAULT_FRAME_RATE
        self._size: tuple[int, int] | None = None
        self._detector = AdaptiveDetector(min_scene_len=min_shot_s)

    def feed(self, thumbnail: Pixels, t_s: float) -> float | None:
        """Adds the next frame, uint8 (h, w, 3) BGR; returns the time of a cut that it reveals.

        The cut lies two frames before the frame that reveals it.
        """
        height, width = thumbnail.shape[:2]
        self._size = self._size or (width, height)
        if self._size != (width, height):  # the frame size may change within a stream
            thumbnail = cv2.resize(thumbnail, self._size).astype(np.uint8)
        timecode = FrameTimecode(Timecode(round(t_s / _TICK), _TICK), self._frame_rate)
        cuts = self._detector.process_frame(timecode, thumbnail)
        return cuts[0].seconds if cuts else None
