"""How AUC falls as pictures get worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepfake_serving.training.evaluate.bootstrap import REPLICATES, Figure, intervals
from deepfake_serving.training.evaluate.breakdown import AS_IS
from deepfake_serving.training.evaluate.disturb import Disturbance
from deepfake_serving.training.evaluate.levels import Floats, Judged, at_level
from deepfake_serving.training.evaluate.metrics import auc
from deepfake_serving.training.scores import Score


@dataclass(frozen=True, slots=True)
class Point:
    """AUC over videos at one level; `drop` is untouched minus disturbed, over the same videos."""

    kind: str
    level: float
    auc: Figure
    drop: Figure
    videos: int


def robustness(
    scores: Sequence[Score],
    asked: Sequence[Disturbance],
    replicates: int = REPLICATES,
    seed: int = 0,
) -> list[Point]:
    """A point for each disturbance that has scores.

    Videos without an answer before or after count in neither AUC. Both are taken on the same
    resamples, so that the drop's interval knows that the videos are the same.
    """
    untouched = at_level([s for s in scores if s.variant == AS_IS], "video")
    points = []
    for disturbance in asked:
        mine = [s for s in scores if s.variant == disturbance.variant]
        if mine and len(untouched.labels):
            points.append(_point(disturbance, untouched, mine, replicates, seed))
    return points


def _point(
    disturbance: Disturbance,
    untouched: Judged,
    scores: Sequence[Score],
    replicates: int,
    seed: int,
) -> Point:
    disturbed = at_level(scores, "video")
    _, before, after = np.intersect1d(untouched.names, disturbed.names, return_indices=True)
    labels, clusters = untouched.labels[before], untouched.identities[before]
    was, now = untouched.probabilities[before], disturbed.probabilities[after]

    def measure(weights: Floats) -> dict[str, Floats]:
        found = auc(labels, now, weights)
        return {"auc": found, "drop": auc(labels, was, weights) - found}

    nothing = Figure(None, None, None)
    figures = intervals(measure, clusters, replicates, seed) if len(labels) else {}
    return Point(
        disturbance.kind,
        disturbance.level,
        figures.get("auc", nothing),
        figures.get("drop", nothing),
        len(labels),
    )
