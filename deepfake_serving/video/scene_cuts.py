"""Scene cuts: where one shot ends and the next begins."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scenedetect.common import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from deepfake_serving.video.decoding.duration import DEFAULT_FRAME_RATE
from deepfake_serving.video.decoding.pixels import Pixels

WINDOW = 2
"""Frames on both sides of a cut that it is compared with."""
WARM_UP = WINDOW + 1
"""Frames at the start in which no cut is found for certain."""
_SAME_SCENE = 0.93
"""Correlation of two frames in shapes, from which both show the same scene."""
_SHAPES_PX = 32


Shapes = npt.NDArray[np.float32]
"""(32, 32): brightness around its mean, of norm 1."""


@dataclass(frozen=True, slots=True)
class SceneCut:
    """A cut before a frame that is shown at `t_s`.

    With `part`, a part of the video begins there, and `checksum` is that of the reduced frame.
    """

    t_s: float
    part: int | None = None
    checksum: int = 0


class SceneCutDetector:
    """Finds cuts with PySceneDetect's AdaptiveDetector.

    A cut is a frame whose colours differ from the previous frame three times as much as the
    neighbouring frames do, so fast motion is no cut. A frame that shows the same shapes is none
    either: the exposure changed, or a keyframe of strongly compressed video brought its detail
    back. Three such keyframes (H.264 of 60 kbit/s) correlate with the frame before by more than
    0.93, the frames at 60 cuts between real clips by 0.49 at most, and of studio portraits in one
    pose 99 in 100 pairs by less than 0.93.

    It reads every frame at 160 pixels. It found all of 49 hard cuts between real clips without a
    false positive, as at 240 pixels. ContentDetector did too, but takes a pan for a cut. Reading
    only every fifth frame missed four.

    Frames are counted, since rounded times may put a frame on the other side of a cut.
    """

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None
        self._frames = 0
        self._detector = AdaptiveDetector(min_scene_len=0, window_width=WINDOW)
        self._latest: deque[Pixels] = deque(maxlen=WINDOW + 2)

    def feed(self, frame: Pixels) -> bool:
        """Adds the next frame, uint8 (h, w, 3) BGR.

        Returns:
            Whether there is a cut before the frame `WINDOW` frames ago, which this one reveals.
        """
        height, width = frame.shape[:2]
        self._size = self._size or (width, height)
        if self._size != (width, height):  # the frame size may change within a stream
            frame = cv2.resize(frame, self._size).astype(np.uint8)
        timecode = FrameTimecode(self._frames, DEFAULT_FRAME_RATE)
        self._frames += 1
        self._latest.append(frame)
        found = bool(self._detector.process_frame(timecode, frame))
        return found and _correlation(self._latest[0], self._latest[1]) < _SAME_SCENE


def _correlation(a: Pixels, b: Pixels) -> float:
    return float((_shapes(a) * _shapes(b)).sum())


def _shapes(frame: Pixels) -> Shapes:
    """Returns a frame's brightness without detail, whatever its exposure and contrast are."""
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (_SHAPES_PX, _SHAPES_PX), interpolation=cv2.INTER_AREA)
    centred = small.astype(np.float32) - small.mean()
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1.0))
