"""All metrics of a group of units, with confidence intervals and sample sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepfake_serving.training.evaluate import metrics
from deepfake_serving.training.evaluate.aggregation import AggregatedScores
from deepfake_serving.training.evaluate.bootstrap import (
    REPLICATES,
    UNDEFINED,
    Estimate,
    intervals,
)
from deepfake_serving.training.evaluate.paired_ranking import pairs_right
from model_handlers.manifest import ThresholdsSpec
from model_handlers.pipeline.calibration import Floats

METRIC_NAMES = {
    "auc": "AUC",
    "pairs_right": "pairs ranked right",
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "eer": "equal error rate",
    "log_loss": "log loss",
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
    "real_called_real": "reals called real",
    "real_called_suspicious": "reals called suspicious",
    "real_called_fake": "reals called fake",
    "fake_called_real": "fakes called real",
    "fake_called_suspicious": "fakes called suspicious",
    "fake_called_fake": "fakes called fake",
}
"""Every metric and its title in reports."""


@dataclass(frozen=True, slots=True)
class MetricSet:
    """Metrics of one group.

    Attributes:
        figures: estimates by name; see `METRIC_NAMES`.
        unanswered: units without a prediction, which count in none of the others.
        confusion: counts `tp`, `fp`, `tn`, `fn`; positive is fake.
    """

    figures: dict[str, Estimate]
    real: int
    fake: int
    identities: int
    unanswered: int
    confusion: dict[str, int]


def compute_metrics(
    units: AggregatedScores, thresholds: ThresholdsSpec, replicates: int = REPLICATES, seed: int = 0
) -> MetricSet:
    """Computes all metrics with 95 % intervals over resampled identities.

    Decisions are fake above `thresholds.fake_above`. Metrics that the group doesn't define (AUC of
    one class, anything of nothing) are None.
    """
    n, fakes = len(units.labels), int(units.labels.sum())

    def measure(weights: Floats) -> dict[str, Floats]:
        return _measure(units, weights, thresholds)

    estimates = intervals(measure, units.identities, replicates, seed) if n else {}
    cells = metrics.confusion(
        units.labels, units.probabilities, np.ones((1, n)), thresholds.fake_above
    )
    return MetricSet(
        {name: estimates.get(name, UNDEFINED) for name in METRIC_NAMES},
        n - fakes,
        fakes,
        units.identity_count,
        units.unanswered,
        {name: int(cell[0]) for name, cell in cells._asdict().items()},
    )


def _measure(
    units: AggregatedScores, weights: Floats, thresholds: ThresholdsSpec
) -> dict[str, Floats]:
    labels, p = units.labels, units.probabilities
    cells = metrics.confusion(labels, p, weights, thresholds.fake_above)
    return {
        "auc": metrics.auc(labels, p, weights),
        "pairs_right": pairs_right(units, weights),
        "balanced_accuracy": metrics.balanced_accuracy(cells),
        "f1": metrics.f1(cells),
        "precision": metrics.precision(cells),
        "recall": metrics.recall(cells),
        "eer": metrics.eer(labels, p, weights),
        "log_loss": metrics.log_loss(labels, p, weights),
        "ece": metrics.ece(labels, p, weights),
        "brier": metrics.brier(labels, p, weights),
    } | _label_shares(units, weights, thresholds)


def _label_shares(
    units: AggregatedScores, weights: Floats, spec: ThresholdsSpec
) -> dict[str, Floats]:
    """Returns the share of each label in each class.

    Labels: real < `suspicious_from` ≤ suspicious ≤ `fake_above` < fake.
    """
    p = units.probabilities
    labelled = {"real": p < spec.suspicious_from, "fake": p > spec.fake_above}
    labelled["suspicious"] = ~labelled["real"] & ~labelled["fake"]
    classes = {"real": ~units.labels, "fake": units.labels}
    return {
        f"{name}_called_{label}": metrics.share(mask, members, weights)
        for name, members in classes.items()
        for label, mask in labelled.items()
    }
