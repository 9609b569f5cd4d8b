"""Groups scored frames into shots, and holds only the last two shots."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deepfake_serving.contracts.verdict import ModelScore
from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.sampling import thin
from deepfake_serving.video.scene_cuts import SceneCut


@dataclass(frozen=True, slots=True)
class ScoredFace:
    """A scored face: its box in pixels of the video, its crop as JPEG, its scores by model."""

    box: list[float]
    fake_probability: float
    detection_confidence: float
    crop: bytes
    models: Mapping[str, ModelScore] = field(default_factory=dict)
    heatmaps: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """By model, as the JSON of `contracts.verdict.Heatmap`."""


@dataclass(frozen=True, slots=True)
class ScoredFrame:
    """A scored frame. `thumbnail` is uint8 (h, w, 3) BGR."""

    index: int
    t_s: float
    thumbnail: Pixels
    faces: list[ScoredFace]
    left_out: int = 0
    """Faces beyond the limit."""


@dataclass(slots=True)
class ShotFrames:
    """The scored frames of a shot, in segments without a cut: at most `per_shot` in each."""

    start_s: float
    end_s: float = math.inf
    segments: list[list[ScoredFrame]] = field(default_factory=lambda: [[]])

    @property
    def frames(self) -> list[ScoredFrame]:
        """All frames, in order."""
        return [frame for segment in self.segments for frame in segment]


class ShotCollector:
    """Takes frames and scene cuts in order, and returns each shot once it is final.

    A cut within `min_shot_s` of the start of its shot begins a segment of that shot. A shot is
    final when the next one has lasted `min_shot_s`: a shorter last shot is merged into it. With an
    infinite `min_shot_s`, all segments are of one shot.
    """

    def __init__(self, min_shot_s: float, per_shot: int, start_s: float = 0.0) -> None:
        """`start_s` is when the first shot starts."""
        self._min_shot_s, self._per_shot = min_shot_s, per_shot
        self._open = [ShotFrames(start_s)]

    def add(self, frame: ScoredFrame) -> list[ShotFrames]:
        """Adds a frame that is later than all others."""
        final = self._pop_final(frame.t_s)
        segments = self._open[-1].segments
        segments[-1] = [*thin(segments[-1], self._per_shot), frame]
        return final

    def cut(self, cut: SceneCut) -> list[ShotFrames]:
        """Adds a cut between the frames before and after it."""
        last = self._open[-1]
        if cut.t_s - last.start_s < self._min_shot_s:
            last.segments.append([])
            return []
        final = self._pop_final(math.inf)
        last.end_s = cut.t_s
        self._open.append(ShotFrames(cut.t_s))
        return final

    def end(self, t_s: float) -> list[ShotFrames]:
        """Ends the video."""
        final = self._pop_final(t_s)
        segments = [segment for shot in self._open for segment in shot.segments]
        return [*final, ShotFrames(self._open[0].start_s, t_s, segments)]

    def _pop_final(self, now_s: float) -> list[ShotFrames]:
        if len(self._open) == 2 and now_s - self._open[1].start_s >= self._min_shot_s:
            return [self._open.pop(0)]
        return []
