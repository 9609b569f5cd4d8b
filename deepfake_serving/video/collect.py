"""Judged frames gathered into shots, of which only the last two are held."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.sampling import thin


@dataclass(frozen=True, slots=True)
class Face:
    """A judged face: its box in pixels of the video, and its picture as JPEG."""

    box: list[float]
    fake_probability: float
    picture: bytes


@dataclass(frozen=True, slots=True)
class ScoredFrame:
    """A judged frame. `small` is uint8 (h, w, 3) BGR."""

    t_s: float
    small: Pixels
    faces: list[Face]


@dataclass(slots=True)
class ShotFrames:
    """A shot's judged frames."""

    start_s: float
    end_s: float = math.inf
    seen: list[ScoredFrame] = field(default_factory=list)


class Collector:
    """Takes frames and cuts in order and gives each shot back once it can't change any more.

    That is when the next has lasted for `shortest_s`: a shorter one at the end belongs to it.
    """

    def __init__(self, shortest_s: float, per_shot: int) -> None:
        self._shortest_s, self._per_shot = shortest_s, per_shot
        self._open = [ShotFrames(0.0)]

    def add(self, seen: ScoredFrame) -> list[ShotFrames]:
        """A frame after all the others."""
        done = self._settled(seen.t_s)
        last = self._open[-1]
        last.seen = [*thin(last.seen, self._per_shot), seen]
        return done

    def cut(self, t_s: float) -> list[ShotFrames]:
        """A cut at least `shortest_s` after the one before; late frames may have been added."""
        done = self._settled(math.inf)
        last = self._open[-1]
        self._open.append(ShotFrames(t_s, seen=[seen for seen in last.seen if seen.t_s >= t_s]))
        last.seen, last.end_s = [seen for seen in last.seen if seen.t_s < t_s], t_s
        return done

    def end(self, t_s: float) -> list[ShotFrames]:
        """The video ends."""
        done = self._settled(t_s)
        whole = ShotFrames(
            self._open[0].start_s, t_s, [s for take in self._open for s in take.seen]
        )
        while len(whole.seen) > self._per_shot:
            whole.seen = thin(whole.seen, self._per_shot)
        return [*done, whole]

    def _settled(self, now_s: float) -> list[ShotFrames]:
        if len(self._open) == 2 and now_s - self._open[1].start_s >= self._shortest_s:
            return [self._open.pop(0)]
        return []
