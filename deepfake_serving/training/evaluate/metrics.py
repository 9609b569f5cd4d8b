"""Binary classification metrics, computed for many bootstrap weightings at once.

Each function takes `labels` (n,), true for fakes, `probabilities` (n,) and `weights` (b, n), and
returns metrics (b,), NaN where undefined (AUC of one class, precision without a positive decision).
Weights of one give the plain metric, resampled weights a bootstrap replicate. scikit-learn computes
most of them for a single weighting, a thousand times too slowly here; the tests check that the
values are the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model_handlers.pipeline.calibration import Floats

Labels = npt.NDArray[np.bool_]
ECE_BINS = 15


class Confusion(NamedTuple):
    """Weighted counts (b,) of true and false positives and negatives; positive is fake."""

    tp: Floats
    fp: Floats
    tn: Floats
    fn: Floats


def confusion(labels: Labels, p: Floats, weights: Floats, threshold: float) -> Confusion:
    """Counts decisions; fake where the probability is greater than `threshold`, as in service."""
    positive = p > threshold
    cells = (positive & labels, positive & ~labels, ~positive & ~labels, ~positive & labels)
    return Confusion(*(weights[:, cell].sum(1) for cell in cells))


def precision(c: Confusion) -> Floats:
    """Returns the share of fakes among the positive decisions."""
    return ratio(c.tp, c.tp + c.fp)


def recall(c: Confusion) -> Floats:
    """Returns the share of the fakes that were detected."""
    return ratio(c.tp, c.tp + c.fn)


def f1(c: Confusion) -> Floats:
    """Returns the harmonic mean of precision and recall."""
    return ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn)


def balanced_accuracy(c: Confusion) -> Floats:
    """Returns the mean of the recalls of both classes."""
    return (recall(c) + ratio(c.tn, c.tn + c.fp)) / 2


def share(mask: Labels, among: Labels, weights: Floats) -> Floats:
    """Returns the share of `mask` (n,) among the units `among` (n,)."""
    return ratio(weights[:, mask & among].sum(1), weights[:, among].sum(1))


def auc(labels: Labels, p: Floats, weights: Floats) -> Floats:
    """Returns the area under the ROC curve: P(fake scores above real), ties count half."""
    fakes, reals = _weights_by_value(labels, p, weights)
    below = np.cumsum(reals, 1) - reals
    return ratio((fakes * (below + reals / 2)).sum(1), fakes.sum(1) * reals.sum(1))


def eer(labels: Labels, p: Floats, weights: Floats) -> Floats:
    """Returns the equal error rate: where false positive and false negative rates are equal.

    The rates are interpolated linearly between thresholds, as on a drawn ROC curve.
    """
    fnr, fpr = error_rates(labels, p, weights)
    if fnr.shape[1] < 2:
        return np.full(len(weights), np.nan)
    gap = fnr - fpr  # rises from -1 to 1
    after = np.clip((gap >= 0).argmax(1), 1, None)[:, None]
    low, high = (np.take_along_axis(gap, i, 1)[:, 0] for i in (after - 1, after))
    start, end = (np.take_along_axis(fnr, i, 1)[:, 0] for i in (after - 1, after))
    return start + ratio(-low, high - low) * (end - start)


def error_rates(labels: Labels, p: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Returns false negative and false positive rates, each (b, k + 1), for rising thresholds."""
    fakes, reals = _weights_by_value(labels, p, weights)
    zero = np.zeros((len(weights), 1))
    missed = np.hstack([zero, np.cumsum(fakes, 1)])
    rejected = np.hstack([zero, np.cumsum(reals, 1)])
    fnr = ratio(missed, fakes.sum(1, keepdims=True))
    return fnr, 1 - ratio(rejected, reals.sum(1, keepdims=True))


def log_loss(labels: Labels, p: Floats, weights: Floats) -> Floats:
    """Returns the mean negative log likelihood, nats; probabilities are clipped at epsilon."""
    epsilon = np.finfo(np.float64).eps
    likelihood = np.clip(np.where(labels, p, 1 - p), epsilon, 1 - epsilon)
    return mean(-np.log(likelihood), weights)


def brier(labels: Labels, p: Floats, weights: Floats) -> Floats:
    """Returns the mean squared difference of probability and outcome (Brier 1950)."""
    return mean((p - labels) ** 2, weights)


def ece(labels: Labels, p: Floats, weights: Floats) -> Floats:
    """Returns the expected calibration error (Naeini et al. 2015) over 15 bins of equal mass.

    The bins are those of the unweighted sample. With few units the estimate is biased upward, even
    for a perfectly calibrated model.
    """
    bins = equal_mass_bins(p)
    gaps = np.stack([(weights[:, bins == b] @ (labels - p)[bins == b]) for b in np.unique(bins)])
    return ratio(np.abs(gaps).sum(0), weights.sum(1))


def equal_mass_bins(p: Floats, count: int = ECE_BINS) -> npt.NDArray[np.intp]:
    """Assigns each probability to a bin (n,) of about equal mass; equal values share one."""
    edges = np.quantile(p, np.linspace(0, 1, count + 1)[1:-1])
    return np.searchsorted(np.unique(edges), p, side="left")


def mean(values: Floats, weights: Floats) -> Floats:
    """Returns the weighted mean (b,) of values (n,)."""
    return ratio(weights @ values, weights.sum(1))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divides; NaN where the denominator is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def _weights_by_value(labels: Labels, p: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Sums the weights (b, k) of fakes and of reals at each of the k distinct probabilities."""
    order = np.argsort(p, kind="stable")
    starts = np.flatnonzero(np.diff(p[order], prepend=-np.inf))
    ranked, fake = weights[:, order], labels[order]
    fakes = np.add.reduceat(ranked * fake, starts, axis=1)
    reals = np.add.reduceat(ranked * ~fake, starts, axis=1)
    return fakes, reals
