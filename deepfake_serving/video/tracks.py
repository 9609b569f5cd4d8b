"""Links faces into tracks, one person each, by position and velocity.

Follows SORT (Bewley et al., "Simple Online and Realtime Tracking", 2016, arXiv:1602.00763): boxes
move on at constant velocity and are assigned to those of the next frame by the Hungarian algorithm
over their overlap. Sampled frames lie far apart, so boxes are buffered before they are compared
(Yang et al., "Hard to Track Objects with Irregular Motions and Similar Appearances? Make It Easier
by Buffering the Matching Space", 2023, arXiv:2211.14317). The last velocity, for at most half a
second, replaces the Kalman filter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Boxes = npt.NDArray[np.float64]
"""(n, 4): x1, y1, x2, y2."""
FaceIndex = tuple[int, int]
"""The index of a frame, and of a face within it."""

_BUFFER = 0.5
"""Share of its sides by which a box is buffered in each direction."""
_MIN_OVERLAP = 0.2
_MAX_GAP_S, _MAX_GAP_FRAMES = 2.0, 3
"""A track ends when its face is missing for longer than both."""
_HORIZON_S = 0.5
_MIN_SHARE = 0.2
_MIN_FRAMES = 3


@dataclass(slots=True)
class _OpenTrack:
    """A track that may continue. `velocity` is that of the whole box, in pixels per second."""

    box: Boxes
    last_s: float
    indexes: list[FaceIndex]
    velocity: Boxes = field(default_factory=lambda: np.zeros(2))

    def predict(self, t_s: float) -> Boxes:
        """Returns the expected box at a time."""
        return self.box + np.tile(self.velocity, 2) * min(t_s - self.last_s, _HORIZON_S)

    def extend(self, box: Boxes, t_s: float, index: FaceIndex) -> None:
        """Adds the next face."""
        shift = _centres(box) - _centres(self.box)
        self.velocity = shift / max(t_s - self.last_s, 1e-3)
        self.box, self.last_s = box, t_s
        self.indexes.append(index)


def link(times: Sequence[float], boxes: Sequence[Boxes]) -> list[list[FaceIndex]]:
    """Links the faces of one shot.

    Args:
        times: Ascending times of its frames, in seconds.
        boxes: The face boxes of each frame.

    Returns:
        The faces of each track, in order. Every face is in exactly one track.
    """
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    gap_s = max(_MAX_GAP_S, _MAX_GAP_FRAMES * step_s)
    tracks: list[_OpenTrack] = []
    for frame, (t_s, found) in enumerate(zip(times, boxes, strict=True)):
        active = [track for track in tracks if t_s - track.last_s <= gap_s]
        pairs = _assign([track.predict(t_s) for track in active], found)
        for face, box in enumerate(found):
            if face in pairs:
                active[pairs[face]].extend(box, t_s, (frame, face))
            else:
                tracks.append(_OpenTrack(box, t_s, [(frame, face)]))
    return [track.indexes for track in tracks]


def without_rare(
    tracks: Sequence[list[FaceIndex]],
    frames: int,
    is_weak: Callable[[FaceIndex], bool] = lambda _: False,
) -> list[list[FaceIndex]]:
    """Keeps the tracks in at least a fifth of `frames`: others are mostly false positives.

    Where there are none, as when a person only walks by, tracks of at least three frames stay. A
    single weak face among several frames is no track.
    """
    common = [
        track
        for track in tracks
        if len(track) >= _MIN_SHARE * frames
        and (len(track) > 1 or frames == 1 or not is_weak(track[0]))
    ]
    return common or [track for track in tracks if len(track) >= _MIN_FRAMES]


def _assign(predicted: Sequence[Boxes], found: Boxes) -> dict[int, int]:
    """Assigns faces to tracks, maximising the total overlap."""
    if not predicted or not len(found):
        return {}
    overlap = _overlap(_buffered(np.stack(predicted)), _buffered(found))
    pairs = zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
    return {int(f): int(t) for t, f in pairs if overlap[t, f] >= _MIN_OVERLAP}


def _buffered(boxes: Boxes) -> Boxes:
    margin = _BUFFER * (boxes[:, 2:] - boxes[:, :2])
    return np.hstack([boxes[:, :2] - margin, boxes[:, 2:] + margin])


def _overlap(a: Boxes, b: Boxes) -> Boxes:
    """Returns the intersection over union: (n, 4) and (m, 4) → (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a, area_b = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a, b))
    union: Boxes = np.maximum(area_a[:, None] + area_b[None] - shared, 1e-9)
    return np.asarray(shared / union)


def _centres(box: Boxes) -> Boxes:
    return (box[..., :2] + box[..., 2:]) / 2
