"""Figures of merit under weights, for many weightings at once.

Each function takes `labels` (n,), true for fakes, `probabilities` (n,) and `weights` (b, n), and
gives (b,) figures, NaN where one is undefined (AUC of one class, precision where nothing was called
fake). Weights of one give the plain figure, those of a resample a bootstrap replicate. scikit-learn
has most of them for one weighting, which is a thousand times too slow here; the tests hold the two
to the same values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.evaluate.levels import Floats

Labels = npt.NDArray[np.bool_]
BINS = 15
"""Of the calibration error: bins of equal mass, the last of them perhaps smaller."""


class Confusion(NamedTuple):
    """Weights (b,) of true and false positives and negatives; positive is fake."""

    tp: Floats
    fp: Floats
    tn: Floats
    fn: Floats


def confusion(labels: Labels, p: Floats, weights: Floats, above: float) -> Confusion:
    """Called fake where the probability is greater than `above`, as in service."""
    called = p > above
    cells = (called & labels, called & ~labels, ~called & ~labels, ~called & labels)
    return Confusion(*(weights[:, cell].sum(1) for cell in cells))


def precision(c: Confusion) -> Floats:
    """Share of fakes among what was called fake."""
    return ratio(c.tp, c.tp + c.fp)


def recall(c: Confusion) -> Floats:
    """Share of the fakes that were called fake."""
    return ratio(c.tp, c.tp + c.fn)


def f1(c: Confusion) -> Floats:
    """Harmonic mean of precision and recall."""
    return ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn)


def balanced_accuracy(c: Confusion) -> Floats:
    """Mean of the two classes' recalls."""
    return (recall(c) + ratio(c.tn, c.tn + c.fp)) / 2


def share(mask: Labels, among: Labels, weights: Floats) -> Floats:
    """Share of `mask` (n,) among the units `among` (n,)."""
    return ratio(weights[:, mask & among].sum(1), weights[:, among].sum(1))


def auc(labels: Labels, p: Floats, weights: Floats) -> Floats:
    """Chance that a fake scores higher than a real one; equal scores count half."""
    fakes, reals = _by_value(labels, p, weights)
    below = np.cumsum(reals, 1) - reals
    return ratio((fakes * (below + reals / 2)).sum(1), fakes.sum(1) * reals.sum(1))


def eer(labels: Labels, p: Floats, weights: Floats) -> Floats:
    """Equal error rate: where as many reals are called fake as fakes real.

    Between two thresholds the rates run along straight lines, as on a drawn ROC curve.
    """
    missed, false = error_rates(labels, p, weights)
    if missed.shape[1] < 2:
        return np.full(len(weights), np.nan)
    gap = missed - false  # rises from -1 to 1
    after = np.clip((gap >= 0).argmax(1), 1, None)[:, None]
    low, high = (np.take_along_axis(gap, i, 1)[:, 0] for i in (after - 1, after))
    start, end = (np.take_along_axis(missed, i, 1)[:, 0] for i in (after - 1, after))
    return start + ratio(-low, high - low) * (end - start)


def error_rates(labels: Labels, p: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Shares of missed fakes and of reals called fake, each (b, k + 1), for rising thresholds."""
    fakes, reals = _by_value(labels, p, weights)
    nought = np.zeros((len(weights), 1))
    missed = np.hstack([nought, np.cumsum(fakes, 1)])
    passed = np.hstack([nought, np.cumsum(reals, 1)])
    return ratio(missed, fakes.sum(1, keepdims=True)), 1 - ratio(
        passed, reals.sum(1, keepdims=True)
    )


def log_loss(labels: Labels, p: Floats, weights: Floats) -> Floats:
    """Mean negative log likelihood, nats; certainty is cut off at a double's epsilon."""
    epsilon = np.finfo(np.float64).eps
    likelihood = np.clip(np.where(labels, p, 1 - p), epsilon, 1 - epsilon)
    return mean(-np.log(likelihood), weights)


def brier(labels: Labels, p: Floats, weights: Floats) -> Floats:
    """Mean squared difference of probability and outcome (Brier 1950)."""
    return mean((p - labels) ** 2, weights)


def ece(labels: Labels, p: Floats, weights: Floats) -> Floats:
    """Expected calibration error (Naeini et al. 2015) over 15 bins of equal mass.

    The bins are those of the unweighted sample. With few units it is well above nought even for a
    perfect model, as a bin of three can't be half fake.
    """
    bins = mass_bins(p)
    gaps = np.stack([(weights[:, bins == b] @ (labels - p)[bins == b]) for b in np.unique(bins)])
    return ratio(np.abs(gaps).sum(0), weights.sum(1))


def mass_bins(p: Floats, count: int = BINS) -> npt.NDArray[np.intp]:
    """The bin (n,) of each probability: bins of about equal mass; equal values share one."""
    edges = np.quantile(p, np.linspace(0, 1, count + 1)[1:-1])
    return np.searchsorted(np.unique(edges), p, side="left")


def mean(values: Floats, weights: Floats) -> Floats:
    """Weighted mean (b,) of values (n,)."""
    return ratio(weights @ values, weights.sum(1))


def ratio(part: Floats, whole: Floats) -> Floats:
    """Quotient; NaN where the whole is nought."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _by_value(labels: Labels, p: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weights (b, k) of the fakes and of the reals at each of the k different probabilities."""
    order = np.argsort(p, kind="stable")
    starts = np.flatnonzero(np.diff(p[order], prepend=-np.inf))
    ranked, fake = weights[:, order], labels[order]
    fakes = np.add.reduceat(ranked * fake, starts, axis=1)
    reals = np.add.reduceat(ranked * ~fake, starts, axis=1)
    return fakes, reals
