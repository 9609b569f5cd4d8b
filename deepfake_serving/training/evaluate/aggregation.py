"""Aggregation of face scores to the unit of evaluation: face, frame or video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.predict.scores import Score
from model_handlers.pipeline.calibration import Floats

Level = Literal["face", "frame", "video"]
LEVELS: tuple[Level, ...] = ("face", "frame", "video")


@dataclass(frozen=True, slots=True)
class AggregatedScores:
    """Probabilities of n units.

    Attributes:
        labels: (n,), true for fakes.
        probabilities: (n,), in [0, 1].
        identities: (n,), numbers of the people. Units of one identity are resampled together.
        unanswered: units without a prediction, which are in none of the arrays.
        names: (n,), paths of the media files.
    """

    labels: npt.NDArray[np.bool_]
    probabilities: Floats
    identities: npt.NDArray[np.intp]
    unanswered: int = 0
    names: tuple[str, ...] = ()

    @property
    def identity_count(self) -> int:
        """The number of distinct identities."""
        return len(np.unique(self.identities))


def aggregate(scores: Sequence[Score], level: Level) -> AggregatedScores:
    """Aggregates the scores of one variant.

    A frame has the maximum probability of its faces, as in service. A video has the mean calibrated
    probability of its faces; an image is a video of one frame. Faces without a prediction (NaN) are
    ignored; a unit with no other is `unanswered`.
    """
    groups = _groups(scores, level)
    reduce = np.max if level == "frame" else np.mean
    predicted = [[s.probability for s in g if not np.isnan(s.probability)] for g in groups]
    units = [(g[0], float(reduce(p))) for g, p in zip(groups, predicted, strict=True) if p]
    number = {name: i for i, name in enumerate(sorted({s.identity for s in scores}))}
    return AggregatedScores(
        np.array([score.fake for score, _ in units], dtype=bool),
        np.array([probability for _, probability in units], dtype=np.float64),
        np.array([number[score.identity] for score, _ in units], dtype=np.intp),
        len(groups) - len(units),
        tuple(score.path for score, _ in units),
    )


def _groups(scores: Sequence[Score], level: Level) -> list[list[Score]]:
    def key(score: Score) -> tuple[str, str, int]:
        return score.path, score.variant, score.frame if level == "frame" else 0

    if level == "face":
        return [[score] for score in scores]
    return [list(group) for _, group in groupby(sorted(scores, key=key), key)]
