"""All figures of a group of judged units, with intervals and how many they rest on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepfake_serving.training.evaluate import metrics
from deepfake_serving.training.evaluate.bootstrap import REPLICATES, Figure, intervals
from deepfake_serving.training.evaluate.levels import Floats, Judged
from deepfake_serving.training.evaluate.pairs import pairs_right
from model_handlers.manifest import ThresholdsSpec

NAMES = {
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
"""Every figure and what it is called on the page."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one group: `figures` by name (see `NAMES`), sizes, and confusion counts.

    `unanswered` units are in none of the others.
    """

    figures: dict[str, Figure]
    real: int
    fake: int
    identities: int
    unanswered: int
    confusion: dict[str, int]


def figures_of(
    judged: Judged, thresholds: ThresholdsSpec, replicates: int = REPLICATES, seed: int = 0
) -> Figures:
    """Figures with 95 % intervals over resampled identities.

    What needs a decision calls fake what is above `thresholds.fake_above`. Figures that the group
    doesn't define (AUC of one class, anything of nothing) are None.
    """
    n, fakes = len(judged.labels), int(judged.labels.sum())

    def measure(weights: Floats) -> dict[str, Floats]:
        return _measure(judged, weights, thresholds)

    found = intervals(measure, judged.identities, replicates, seed) if n else {}
    nothing = Figure(None, None, None)
    cells = metrics.confusion(
        judged.labels, judged.probabilities, np.ones((1, n)), thresholds.fake_above
    )
    return Figures(
        {name: found.get(name, nothing) for name in NAMES},
        n - fakes,
        fakes,
        judged.people,
        judged.unanswered,
        {name: int(cell[0]) for name, cell in cells._asdict().items()},
    )


def _measure(judged: Judged, weights: Floats, thresholds: ThresholdsSpec) -> dict[str, Floats]:
    labels, p = judged.labels, judged.probabilities
    cells = metrics.confusion(labels, p, weights, thresholds.fake_above)
    return {
        "auc": metrics.auc(labels, p, weights),
        "pairs_right": pairs_right(judged, weights),
        "balanced_accuracy": metrics.balanced_accuracy(cells),
        "f1": metrics.f1(cells),
        "precision": metrics.precision(cells),
        "recall": metrics.recall(cells),
        "eer": metrics.eer(labels, p, weights),
        "log_loss": metrics.log_loss(labels, p, weights),
        "ece": metrics.ece(labels, p, weights),
        "brier": metrics.brier(labels, p, weights),
    } | _words(judged, weights, thresholds)


def _words(judged: Judged, weights: Floats, spec: ThresholdsSpec) -> dict[str, Floats]:
    """Which word each class gets; real < `suspicious_from` ≤ suspicious ≤ `fake_above` < fake."""
    p = judged.probabilities
    words = {"real": p < spec.suspicious_from, "fake": p > spec.fake_above}
    words["suspicious"] = ~words["real"] & ~words["fake"]
    classes = {"real": ~judged.labels, "fake": judged.labels}
    return {
        f"{name}_called_{word}": metrics.share(mask, members, weights)
        for name, members in classes.items()
        for word, mask in words.items()
    }
