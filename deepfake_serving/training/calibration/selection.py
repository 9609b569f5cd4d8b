"""Selection of the calibration by out-of-fold log loss.

Calibration is fitted to development scores, so it is evaluated by cross-validation over identities
(a fake and its original in one fold); the shipped one is then fitted on all scores.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupKFold

from deepfake_serving.training.calibration.methods import METHODS, sample_log_loss
from deepfake_serving.training.calibration.sample import CalibrationSample
from deepfake_serving.training.evaluate.metrics import ece
from model_handlers.manifest import CalibrationSpec, ThresholdsSpec
from model_handlers.pipeline.calibration import Floats, calibrate

FALSE_POSITIVE_RATES = (0.01, 0.05, 0.10)
_FACE_SIZES = (0.0, 100.0, 150.0)
_DETAILS = (0.0, 3.0, 4.0)
_TOLERANCE = 0.02
_MIN_IDENTITIES_FOR_ISOTONIC = 100
FEW_IDENTITIES = 20
"""A calibration of fewer is written all the same, with a warning."""


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """The selected calibration, the losses of all candidates, and operating points."""

    calibration: CalibrationSpec
    thresholds: ThresholdsSpec
    log_losses: dict[str, float]
    out_of_fold: Floats
    out_of_fold_ece: float
    at_false_positive_rate: dict[str, float]

    def write(self, path: Path) -> None:
        """Writes JSON: the entries of a manifest, and the metrics of the selection."""
        content = {
            "calibration": self.calibration.model_dump(mode="json"),
            "thresholds": self.thresholds.model_dump(mode="json"),
            "out_of_fold_log_loss": self.log_losses,
            "out_of_fold_ece": round(self.out_of_fold_ece, 4),
            "threshold_at_false_positive_rate": self.at_false_positive_rate,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


class _Candidate(NamedTuple):
    """A method, and the face size and detail below which it is shrunk towards one half."""

    method: str
    px: float
    detail: float

    def __str__(self) -> str:
        return f"{self.method}, certain from {self.px:g} px and detail {self.detail:g}"


def select_calibration(sample: CalibrationSample, folds: int = 5) -> CalibrationResult:
    """Selects a method and its limits by out-of-fold log loss and fits the winner on all faces.

    The limits are the face size and detail below which probabilities are shrunk towards one half.
    Of the candidates within 0.02 nats of the best, the simplest method wins, with the highest
    limits. Isotonic regression takes part from 100 identities on: with fewer it overfits, and its
    steps give many faces the same probability (Niculescu-Mizil & Caruana 2005).

    The thresholds of the labels stay at 0.40 and 0.60; calibration changes the probabilities.
    """
    few = sample.identity_count < _MIN_IDENTITIES_FOR_ISOTONIC
    methods = [name for name in METHODS if name != "isotonic" or not few]
    candidates = [_Candidate(*c) for c in product(methods, _FACE_SIZES, _DETAILS)]
    probabilities = {c: _out_of_fold(sample, c, folds) for c in candidates}
    losses = {c: sample_log_loss(sample, p) for c, p in probabilities.items()}
    best = _simplest(losses)
    return CalibrationResult(
        _fit(sample, best),
        ThresholdsSpec(),
        {str(c): losses[c] for c in candidates},
        probabilities[best],
        float(ece(sample.fake, probabilities[best], sample.weights[None])[0]),
        _operating_points(sample, probabilities[best]),
    )


def _simplest(losses: dict[_Candidate, float]) -> _Candidate:
    limit = min(losses.values()) + _TOLERANCE
    return min(
        (c for c in losses if losses[c] <= limit),
        key=lambda c: (list(METHODS).index(c.method), -c.px, -c.detail),
    )


def _out_of_fold(sample: CalibrationSample, candidate: _Candidate, folds: int) -> Floats:
    probabilities = np.zeros(len(sample.logits))
    splitter = GroupKFold(min(folds, sample.identity_count))
    for train, test in splitter.split(sample.logits, sample.fake, sample.groups):
        spec = _fit(sample.subset(train), candidate)
        held_out = sample.subset(test)
        probabilities[test] = calibrate(held_out.logits, spec, held_out.face_px, held_out.detail)
    return probabilities


def _fit(sample: CalibrationSample, candidate: _Candidate) -> CalibrationSpec:
    """Fits on the faces at or above the limits; the rule for the others follows from these."""
    method, px, detail = candidate
    above = np.flatnonzero((sample.face_px >= px) & (sample.detail >= detail))
    fitted = sample.subset(above) if len(set(sample.fake[above].tolist())) == 2 else sample
    limits = {"certain_from_px": px, "certain_from_detail": detail}
    return METHODS[method](fitted).model_copy(update=limits)


def _operating_points(sample: CalibrationSample, probabilities: Floats) -> dict[str, float]:
    """Returns the thresholds with false positive rates of 1 %, 5 % and 10 %."""
    real = probabilities[~sample.fake]
    return {
        f"{rate:.2f}": math.ceil(float(np.quantile(real, 1 - rate, method="higher")) * 1e4) / 1e4
        for rate in FALSE_POSITIVE_RATES
    }
