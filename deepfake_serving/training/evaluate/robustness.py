"""The loss of AUC under image corruptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepfake_serving.training.evaluate.aggregation import AggregatedScores, aggregate
from deepfake_serving.training.evaluate.bootstrap import (
    REPLICATES,
    UNDEFINED,
    Estimate,
    intervals,
)
from deepfake_serving.training.evaluate.metrics import auc
from deepfake_serving.training.predict.corruptions import Corruption
from deepfake_serving.training.predict.scores import UNCORRUPTED, Score
from model_handlers.pipeline.calibration import Floats


@dataclass(frozen=True, slots=True)
class RobustnessPoint:
    """AUC over videos at one level; `drop` is uncorrupted minus corrupted, over the same videos."""

    kind: str
    level: float
    auc: Estimate
    drop: Estimate
    videos: int


def robustness(
    scores: Sequence[Score],
    corruptions: Sequence[Corruption],
    replicates: int = REPLICATES,
    seed: int = 0,
) -> list[RobustnessPoint]:
    """Returns a point for each corruption that has scores.

    Only videos with a prediction both before and after count. Both AUCs are computed on the same
    resamples, so the interval of the drop is a paired one.
    """
    uncorrupted = aggregate([s for s in scores if s.variant == UNCORRUPTED], "video")
    points = []
    for corruption in corruptions:
        corrupted = [s for s in scores if s.variant == corruption.variant]
        if corrupted and len(uncorrupted.labels):
            points.append(_point(corruption, uncorrupted, corrupted, replicates, seed))
    return points


def _point(
    corruption: Corruption,
    uncorrupted: AggregatedScores,
    scores: Sequence[Score],
    replicates: int,
    seed: int,
) -> RobustnessPoint:
    corrupted = aggregate(scores, "video")
    _, before, after = np.intersect1d(uncorrupted.names, corrupted.names, return_indices=True)
    labels, clusters = uncorrupted.labels[before], uncorrupted.identities[before]
    p_before, p_after = uncorrupted.probabilities[before], corrupted.probabilities[after]

    def measure(weights: Floats) -> dict[str, Floats]:
        value = auc(labels, p_after, weights)
        return {"auc": value, "drop": auc(labels, p_before, weights) - value}

    estimates = intervals(measure, clusters, replicates, seed) if len(labels) else {}
    return RobustnessPoint(
        corruption.kind,
        corruption.level,
        estimates.get("auc", UNDEFINED),
        estimates.get("drop", UNDEFINED),
        len(labels),
    )
