"""Many faces, one probability: the aggregations, and how far the faces are of one mind.

`confident` is that of Selim Seferbekov's solution, which won the Deepfake Detection Challenge
(github.com/selimsef/dfdc_deepfake_challenge, `kernel_utils.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from deepfake_serving.contracts.video import Aggregation, Shot, Track
from deepfake_serving.video.options import Thresholds

_SURE_FAKE, _FAKES, _LEAST_FAKES = 0.8, 1 / 2.5, 11
_SURE_REAL, _REALS = 0.2, 0.9


class ScoreStats(NamedTuple):
    """A probability and the standard deviation of what it was taken from; None without a face."""

    probability: float | None
    spread: float | None


NO_FACE = ScoreStats(None, None)


def mean(probabilities: Sequence[float]) -> ScoreStats:
    """Of any number of faces."""
    if not probabilities:
        return NO_FACE
    return ScoreStats(_rounded(np.mean(probabilities)), _rounded(np.std(probabilities)))


def aggregate(shots: Sequence[Shot], how: Aggregation, thresholds: Thresholds) -> ScoreStats:
    """The video's probability, by what `contracts.video.Aggregation` says of each."""
    if how == "shots":
        return _highest([track for shot in shots for track in shot.tracks])
    if how == "fake_frame_ratio":
        highest = highest_faces(shots)
        return ScoreStats(fake_frame_ratio(shots, thresholds), mean(highest).spread)
    faces = [face.fake_probability for shot in shots for t in shot.tracks for face in t.frames]
    return mean(confident(faces) if how == "confident" else faces)


def confident(faces: Sequence[float]) -> Sequence[float]:
    """The sure fakes if more than eleven and two fifths, else the sure reals if nine tenths, else
    all."""
    fakes = [p for p in faces if p > _SURE_FAKE]
    reals = [p for p in faces if p < _SURE_REAL]
    if len(fakes) > _FAKES * len(faces) and len(fakes) > _LEAST_FAKES:
        return fakes
    return reals if len(reals) > _REALS * len(faces) else faces


def highest_faces(shots: Sequence[Shot]) -> list[float]:
    """For each frame with a face, the probability of its highest."""
    frames: dict[float, float] = {}
    for shot in shots:
        for track in shot.tracks:
            for face in track.frames:
                frames[face.t_s] = max(frames.get(face.t_s, 0.0), face.fake_probability)
    return list(frames.values())


def fake_frame_ratio(shots: Sequence[Shot], thresholds: Thresholds) -> float | None:
    """The share of frames with a face whose highest face is fake."""
    highest = highest_faces(shots)
    if not highest:
        return None
    return _rounded(sum(thresholds.label(p) == "fake" for p in highest) / len(highest))


def _highest(tracks: Sequence[Track]) -> ScoreStats:
    if not tracks:
        return NO_FACE
    highest = max(tracks, key=lambda track: track.fake_probability)
    return ScoreStats(highest.fake_probability, highest.spread)


def _rounded(value: float | np.floating) -> float:
    """As it is shown; verdicts are taken from it, so that no answer contradicts itself."""
    assert math.isfinite(value)
    return round(float(value), 6)
