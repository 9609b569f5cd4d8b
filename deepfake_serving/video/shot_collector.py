"""Groups scored frames into shots, and holds only the last two shots."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.sampling import thin


@dataclass(frozen=True, slots=True)
class ScoredFace:
    """A scored face: its box in pixels of the video, and its crop as JPEG."""

    box: list[float]
    fake_probability: float
    crop: bytes


@dataclass(frozen=True, slots=True)
class ScoredFrame:
    """A scored frame. `thumbnail` is uint8 (h, w, 3) BGR."""

    t_s: float
    thumbnail: Pixels
    faces: list[ScoredFace]


@dataclass(slots=True)
class ShotFrames:
    """The scored frames of a shot."""

    start_s: float
    end_s: float = math.inf
    frames: list[ScoredFrame] = field(default_factory=list)


class ShotCollector:
    """Takes frames and scene cuts in order, and returns each shot once it is final.

    A shot is final when the next one has lasted `min_shot_s`: a shorter last shot is merged into
    it.
    """

    def __init__(self, min_shot_s: float, per_shot: int) -> None:
        self._min_shot_s, self._per_shot = min_shot_s, per_shot
        self._open = [ShotFrames(0.0)]

    def add(self, frame: ScoredFrame) -> list[ShotFrames]:
        """Adds a frame that is later than all others."""
        final = self._pop_final(frame.t_s)
        last = self._open[-1]
        last.frames = [*thin(last.frames, self._per_shot), frame]
        return final

    def cut(self, t_s: float) -> list[ShotFrames]:
        """Adds a cut, at least `min_shot_s` after the previous one.

        Frames after the cut may have been added before it.
        """
        final = self._pop_final(math.inf)
        last = self._open[-1]
        self._open.append(ShotFrames(t_s, frames=[f for f in last.frames if f.t_s >= t_s]))
        last.frames, last.end_s = [f for f in last.frames if f.t_s < t_s], t_s
        return final

    def end(self, t_s: float) -> list[ShotFrames]:
        """Ends the video."""
        final = self._pop_final(t_s)
        frames = [frame for shot in self._open for frame in shot.frames]
        while len(frames) > self._per_shot:
            frames = thin(frames, self._per_shot)
        return [*final, ShotFrames(self._open[0].start_s, t_s, frames)]

    def _pop_final(self, now_s: float) -> list[ShotFrames]:
        if len(self._open) == 2 and now_s - self._open[1].start_s >= self._min_shot_s:
            return [self._open.pop(0)]
        return []
