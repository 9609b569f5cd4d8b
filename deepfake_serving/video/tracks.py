"""Faces linked into tracks, one person each, by where they are and where they were going.

After SORT (Bewley et al., "Simple Online and Realtime Tracking", 2016, arXiv:1602.00763): boxes
are carried on at constant velocity and assigned to the next frame's by the Hungarian algorithm
over their overlap. As sampled frames lie far apart, boxes are widened before they are compared
(Yang et al., "Hard to Track Objects with Irregular Motions and Similar Appearances? Make It Easier
by Buffering the Matching Space", 2023, arXiv:2211.14317), and in place of the Kalman filter the
last velocity is taken, for half a second at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Boxes = npt.NDArray[np.float64]
"""(n, 4): x1, y1, x2, y2."""
Place = tuple[int, int]
"""A frame, and a face within it."""

_BUFFER = 0.5
"""Of its sides, by which a box is widened to each side."""
_LEAST_OVERLAP = 0.2
_GAP_S, _GAP_FRAMES = 2.0, 3
"""A track ends when its face is unseen for longer than both."""
_HORIZON_S = 0.5
_RARE = 0.2
_LEAST_FRAMES = 3


@dataclass(slots=True)
class _Open:
    """A track that may go on. `velocity` is of the box's corners alike, in pixels a second."""

    box: Boxes
    seen_s: float
    places: list[Place]
    velocity: Boxes = field(default_factory=lambda: np.zeros(2))

    def predicted(self, t_s: float) -> Boxes:
        return self.box + np.tile(self.velocity, 2) * min(t_s - self.seen_s, _HORIZON_S)

    def follow(self, box: Boxes, t_s: float, place: Place) -> None:
        shift = _centres(box) - _centres(self.box)
        self.velocity = shift / max(t_s - self.seen_s, 1e-3)
        self.box, self.seen_s = box, t_s
        self.places.append(place)


def link(times: Sequence[float], boxes: Sequence[Boxes]) -> list[list[Place]]:
    """The tracks of one shot.

    Args:
        times: of its frames in seconds, growing.
        boxes: of the faces in each frame.

    Returns:
        for each track the places of its faces, in order; every face is in just one track.
    """
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    gap_s = max(_GAP_S, _GAP_FRAMES * step_s)
    tracks: list[_Open] = []
    for frame, (t_s, found) in enumerate(zip(times, boxes, strict=True)):
        active = [track for track in tracks if t_s - track.seen_s <= gap_s]
        pairs = _assign([track.predicted(t_s) for track in active], found)
        for face, box in enumerate(found):
            if face in pairs:
                active[pairs[face]].follow(box, t_s, (frame, face))
            else:
                tracks.append(_Open(box, t_s, [(frame, face)]))
    return [track.places for track in tracks]


def without_rare(tracks: Sequence[list[Place]], frames: int) -> list[list[Place]]:
    """The tracks seen in at least a fifth of a shot's frames; others are mostly false finds.

    Where none is, as when a person only passes by, those of at least three frames.
    """
    common = [track for track in tracks if len(track) >= _RARE * frames]
    return common or [track for track in tracks if len(track) >= _LEAST_FRAMES]


def _assign(predicted: Sequence[Boxes], found: Boxes) -> dict[int, int]:
    """Faces → tracks, by the greatest overlap in all."""
    if not predicted or not len(found):
        return {}
    overlap = _overlap(_widened(np.stack(predicted)), _widened(found))
    pairs = zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
    return {int(f): int(t) for t, f in pairs if overlap[t, f] >= _LEAST_OVERLAP}


def _widened(boxes: Boxes) -> Boxes:
    margin = _BUFFER * (boxes[:, 2:] - boxes[:, :2])
    return np.hstack([boxes[:, :2] - margin, boxes[:, 2:] + margin])


def _overlap(a: Boxes, b: Boxes) -> Boxes:
    """Intersection over union: (n, 4) and (m, 4) → (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a, area_b = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a, b))
    union: Boxes = np.maximum(area_a[:, None] + area_b[None] - shared, 1e-9)
    return np.asarray(shared / union)


def _centres(box: Boxes) -> Boxes:
    return (box[..., :2] + box[..., 2:]) / 2
