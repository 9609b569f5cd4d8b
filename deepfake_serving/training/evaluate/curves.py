"""Points of the drawn curves, with 95 % bands over resampled identities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deepfake_serving.training.evaluate.bootstrap import percentiles, resamples
from deepfake_serving.training.evaluate.levels import Floats, Judged
from deepfake_serving.training.evaluate.metrics import error_rates, mass_bins, ratio

GRID: Floats = np.linspace(0, 1, 101)
_REPLICATES = 300


@dataclass(frozen=True, slots=True)
class Curve:
    """y (k,) over x (k,) within `low` and `high` (k,), NaN where undefined."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Reliability:
    """Share of fakes in bins of equal mass over their mean probability, and units in each bin."""

    curve: Curve
    counts: Floats


def roc(judged: Judged) -> Curve:
    """Share of fakes called fake over the share of reals called fake."""
    return _banded(judged, GRID, lambda weights: _rows(_roc, judged, weights))


def precision_recall(judged: Judged) -> Curve:
    """Precision over recall, at the mixture of real and fake that the material has.

    At a recall it is the best precision of the thresholds that reach it.
    """
    grid = GRID[1:]
    return _banded(judged, grid, lambda weights: _rows(_precision_recall, judged, weights))


def reliability(judged: Judged, bins: int) -> Reliability:
    """How often what got a probability was fake."""
    members = mass_bins(judged.probabilities, bins)
    used = [members == b for b in np.unique(members)]

    def shares(weights: Floats) -> Floats:
        parts = [ratio(weights[:, m] @ judged.labels[m], weights[:, m].sum(1)) for m in used]
        return np.stack(parts, axis=1)

    x = np.array([judged.probabilities[m].mean() for m in used])
    counts = np.array([m.sum() for m in used], dtype=np.float64)
    return Reliability(_banded(judged, x, shares), counts)


def _banded(judged: Judged, x: Floats, measure: Callable[[Floats], Floats]) -> Curve:
    """Resamples without one of the classes are left out of the band."""
    y = measure(np.ones((1, len(judged.labels))))[0]
    portions = [measure(w) for w in resamples(judged.identities, _REPLICATES)]
    replicates = np.concatenate(portions)
    kept = replicates[~np.isnan(replicates).all(axis=1)]
    if judged.people < 2 or not len(kept):
        return Curve(x, y, y, y)
    never = np.isnan(kept).all(axis=0)
    return Curve(x, y, *percentiles(np.where(never, y, kept)))


def _rows(row: Callable[[Judged, Floats], Floats], judged: Judged, weights: Floats) -> Floats:
    return np.stack([row(judged, w[None]) for w in weights])


def _roc(judged: Judged, weights: Floats) -> Floats:
    missed, false = error_rates(judged.labels, judged.probabilities, weights)
    return np.interp(GRID, false[0, ::-1], 1 - missed[0, ::-1])


def _precision_recall(judged: Judged, weights: Floats) -> Floats:
    missed, false = error_rates(judged.labels, judged.probabilities, weights)
    fakes = weights[0, judged.labels].sum()
    reals = weights[0, ~judged.labels].sum()
    recall, wrong = 1 - missed[0, :-1], false[0, :-1]  # falling; the last threshold calls nothing
    precision = ratio(recall * fakes, recall * fakes + wrong * reals)
    best = np.maximum.accumulate(precision)
    place = np.searchsorted(-recall, -GRID[1:] + 1e-9, side="right") - 1
    return np.asarray(best[np.clip(place, 0, None)])
