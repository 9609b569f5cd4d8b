"""Points of the plotted curves, with 95 % bands over resampled identities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deepfake_serving.training.evaluate.aggregation import AggregatedScores
from deepfake_serving.training.evaluate.bootstrap import percentiles, resamples
from deepfake_serving.training.evaluate.metrics import equal_mass_bins, error_rates, ratio
from model_handlers.pipeline.calibration import Floats

GRID: Floats = np.linspace(0, 1, 101)
_REPLICATES = 300


@dataclass(frozen=True, slots=True)
class Curve:
    """y (k,) over x (k,) with the band `low` to `high` (k,); NaN where undefined."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Reliability:
    """Share of fakes in bins of equal mass over their mean probability, and counts of the bins."""

    curve: Curve
    counts: Floats


def roc(units: AggregatedScores) -> Curve:
    """Returns the true positive rate over the false positive rate."""
    return _with_band(units, GRID, lambda weights: _rows(_roc, units, weights))


def precision_recall(units: AggregatedScores) -> Curve:
    """Returns precision over recall, at the class balance of the data.

    At each recall it is the best precision of the thresholds that reach it.
    """
    return _with_band(units, GRID[1:], lambda weights: _rows(_precision_recall, units, weights))


def reliability(units: AggregatedScores, bins: int) -> Reliability:
    """Returns the observed frequency of fakes over the predicted probability."""
    members = equal_mass_bins(units.probabilities, bins)
    masks = [members == b for b in np.unique(members)]

    def frequencies(weights: Floats) -> Floats:
        columns = [ratio(weights[:, m] @ units.labels[m], weights[:, m].sum(1)) for m in masks]
        return np.stack(columns, axis=1)

    x = np.array([units.probabilities[m].mean() for m in masks])
    counts = np.array([m.sum() for m in masks], dtype=np.float64)
    return Reliability(_with_band(units, x, frequencies), counts)


def _with_band(units: AggregatedScores, x: Floats, measure: Callable[[Floats], Floats]) -> Curve:
    """Adds the bootstrap band; resamples that lack a class are left out of it."""
    y = measure(np.ones((1, len(units.labels))))[0]
    chunks = [measure(weights) for weights in resamples(units.identities, _REPLICATES)]
    replicates = np.concatenate(chunks)
    valid = replicates[~np.isnan(replicates).all(axis=1)]
    if units.identity_count < 2 or not len(valid):
        return Curve(x, y, y, y)
    undefined = np.isnan(valid).all(axis=0)
    return Curve(x, y, *percentiles(np.where(undefined, y, valid)))


def _rows(
    row: Callable[[AggregatedScores, Floats], Floats], units: AggregatedScores, weights: Floats
) -> Floats:
    return np.stack([row(units, w[None]) for w in weights])


def _roc(units: AggregatedScores, weights: Floats) -> Floats:
    fnr, fpr = error_rates(units.labels, units.probabilities, weights)
    return np.interp(GRID, fpr[0, ::-1], 1 - fnr[0, ::-1])


def _precision_recall(units: AggregatedScores, weights: Floats) -> Floats:
    fnr, fpr = error_rates(units.labels, units.probabilities, weights)
    fakes = weights[0, units.labels].sum()
    reals = weights[0, ~units.labels].sum()
    tpr, fpr = 1 - fnr[0, :-1], fpr[0, :-1]  # falling; the last threshold has no positives
    precision = ratio(tpr * fakes, tpr * fakes + fpr * reals)
    best = np.maximum.accumulate(precision)
    index = np.searchsorted(-tpr, -GRID[1:] + 1e-9, side="right") - 1
    return np.asarray(best[np.clip(index, 0, None)])
