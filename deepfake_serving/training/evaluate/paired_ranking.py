"""Paired ranking: whether a fake scores above the original it was made from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.evaluate.aggregation import AggregatedScores
from deepfake_serving.training.evaluate.metrics import ratio
from model_handlers.pipeline.calibration import Floats


def pairs_right(units: AggregatedScores, weights: Floats) -> Floats:
    """Returns the share (b,) of pairs (fake, real of the same identity) that are ranked right.

    Ties count half. A pair has the weight of its fake. NaN if there is no pair.
    """
    fakes, reals = _pairs(units)
    if not len(fakes):
        return np.full(len(weights), np.nan)
    gap = units.probabilities[fakes] - units.probabilities[reals]
    right = np.where(gap == 0, 0.5, (gap > 0).astype(np.float64))
    pair_weights = weights[:, fakes]
    return ratio(pair_weights @ right, pair_weights.sum(1))


def _pairs(units: AggregatedScores) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    fakes, reals = np.flatnonzero(units.labels), np.flatnonzero(~units.labels)
    same = units.identities[fakes][:, None] == units.identities[reals][None, :]
    left, right = np.nonzero(same)
    return fakes[left], reals[right]
