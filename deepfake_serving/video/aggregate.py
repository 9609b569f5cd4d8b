"""Aggregations of face probabilities to one probability, and their spread.

`confident` is that of Selim Seferbekov's solution, which won the Deepfake Detection Challenge
(github.com/selimsef/dfdc_deepfake_challenge, `kernel_utils.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from deepfake_serving.contracts.models import Thresholds
from deepfake_serving.contracts.video import Aggregation, Shot, Track

_CONFIDENT_FAKE, _MIN_FAKE_SHARE, _MIN_FAKES = 0.8, 1 / 2.5, 11
_CONFIDENT_REAL, _MIN_REAL_SHARE = 0.2, 0.9


class ScoreStats(NamedTuple):
    """A probability and the standard deviation of its inputs; None without a face."""

    probability: float | None
    spread: float | None


NO_FACE = ScoreStats(None, None)


def mean(probabilities: Sequence[float]) -> ScoreStats:
    """Returns the mean and the standard deviation of any number of faces."""
    if not probabilities:
        return NO_FACE
    return ScoreStats(_rounded(np.mean(probabilities)), _rounded(np.std(probabilities)))


def aggregate(
    shots: Sequence[Shot], aggregation: Aggregation, thresholds: Thresholds
) -> ScoreStats:
    """Returns the video's probability, as `contracts.video.Aggregation` defines it."""
    if aggregation == "shots":
        return _highest([track for shot in shots for track in shot.tracks])
    if aggregation == "fake_frame_ratio":
        highest = highest_faces(shots)
        return ScoreStats(fake_frame_ratio(shots, thresholds), mean(highest).spread)
    faces = [face.fake_probability for shot in shots for t in shot.tracks for face in t.frames]
    return mean(confident(faces) if aggregation == "confident" else faces)


def confident(faces: Sequence[float]) -> Sequence[float]:
    """Selects the confident fakes if they are more than eleven and more than two fifths.

    Otherwise the confident reals if they are more than nine tenths, otherwise all faces.
    """
    fakes = [p for p in faces if p > _CONFIDENT_FAKE]
    reals = [p for p in faces if p < _CONFIDENT_REAL]
    if len(fakes) > _MIN_FAKE_SHARE * len(faces) and len(fakes) > _MIN_FAKES:
        return fakes
    return reals if len(reals) > _MIN_REAL_SHARE * len(faces) else faces


def highest_faces(shots: Sequence[Shot]) -> list[float]:
    """Returns the highest probability of each frame with a face."""
    frames: dict[float, float] = {}
    for shot in shots:
        for track in shot.tracks:
            for face in track.frames:
                frames[face.t_s] = max(frames.get(face.t_s, 0.0), face.fake_probability)
    return list(frames.values())


def fake_frame_ratio(shots: Sequence[Shot], thresholds: Thresholds) -> float | None:
    """Returns the share of frames with a face whose highest face is fake."""
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
    """Rounds to the digits of the response. Verdicts use the same digits, so both always agree."""
    assert math.isfinite(value)
    return round(float(value), 6)
