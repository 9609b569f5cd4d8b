"""Logits of development media to a calibration that is judged on faces it was not fitted to.

The network never saw the development media; the calibration does. So it is fitted and judged in
turns over folds of identities (a fake and its original in one fold), and only the shipped one is
fitted on all. Each medium weighs the same, however many faces it shows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold

from deepfake_serving.training.evaluate.metrics import ece
from deepfake_serving.training.scores import Score
from model_handlers.manifest import CalibrationSpec, ThresholdsSpec
from model_handlers.pipeline.calibration import calibrate

Floats = npt.NDArray[np.float64]
FALSE_POSITIVE_RATES = (0.01, 0.05, 0.10)
_SIZES = (0.0, 100.0, 150.0)
_DETAILS = (0.0, 3.0, 4.0)
_MOST_CERTAIN = 0.99
_WORTH = 0.02
_ENOUGH_FOR_ISOTONIC = 100


@dataclass(frozen=True, slots=True)
class Sample:
    """Judged faces as arrays of equal length: what calibration is fitted to."""

    logits: Floats
    fake: npt.NDArray[np.bool_]
    face_px: Floats
    detail: Floats
    weights: Floats
    groups: npt.NDArray[np.str_]

    @classmethod
    def of(cls, scores: Sequence[Score]) -> Sample:
        """Drops faces without an answer.

        Raises:
            ValueError: fakes or real ones are missing.
        """
        kept = [s for s in scores if np.isfinite(s.logit)]
        fake = np.array([s.fake for s in kept], dtype=bool)
        if len(set(fake.tolist())) < 2:
            raise ValueError("calibration needs judged faces of both kinds")
        faces = {s.path: 0 for s in kept}
        for score in kept:
            faces[score.path] += 1
        return cls(
            np.array([s.logit for s in kept]),
            fake,
            np.array([s.face_px for s in kept]),
            np.array([s.detail for s in kept]),
            np.array([1 / faces[s.path] for s in kept]),
            np.array([s.identity for s in kept]),
        )

    def at(self, places: npt.NDArray[np.intp]) -> Sample:
        """The faces at `places`."""
        return Sample(
            self.logits[places],
            self.fake[places],
            self.face_px[places],
            self.detail[places],
            self.weights[places],
            self.groups[places],
        )


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The chosen calibration, what it was chosen by, and where false positives are how rare."""

    calibration: CalibrationSpec
    thresholds: ThresholdsSpec
    log_losses: dict[str, float]
    out_of_fold: Floats
    out_of_fold_ece: float
    at_false_positive_rate: dict[str, float]

    def write(self, path: Path) -> None:
        """As JSON: what the manifest takes, and the figures that led to it."""
        content = {
            "calibration": self.calibration.model_dump(mode="json"),
            "thresholds": self.thresholds.model_dump(mode="json"),
            "out_of_fold_log_loss": self.log_losses,
            "out_of_fold_ece": round(self.out_of_fold_ece, 4),
            "threshold_at_false_positive_rate": self.at_false_positive_rate,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def fit(sample: Sample, folds: int = 5) -> Calibrated:
    """Chooses method and limits by out-of-fold log loss, then fits the winner on all faces.

    The limits are those of face size and detail below which nothing is certain. Among candidates
    within 0.02 nats of the best the simplest method wins, with the highest limits. Isotonic
    regression takes part from 100 people on: with fewer it learns them by heart, and its staircase
    gives different faces one probability (Niculescu-Mizil & Caruana 2005).

    The words' thresholds stay where they are (0.40, 0.60): it is the probabilities that are brought
    to mean what they say.
    """
    people = len(set(sample.groups.tolist()))
    methods = [m for m in _FITS if m != "isotonic" or people >= _ENOUGH_FOR_ISOTONIC]
    candidates = [_Candidate(*c) for c in product(methods, _SIZES, _DETAILS)]
    probabilities = {c: _out_of_fold(sample, c, folds) for c in candidates}
    losses = {c: _loss(sample, p) for c, p in probabilities.items()}
    enough = min(losses.values()) + _WORTH
    best = min(
        (c for c in candidates if losses[c] <= enough),
        key=lambda c: (list(_FITS).index(c.method), -c.px, -c.detail),
    )
    return Calibrated(
        _fit(sample, best),
        ThresholdsSpec(),
        {str(c): losses[c] for c in candidates},
        probabilities[best],
        float(ece(sample.fake, probabilities[best], sample.weights[None])[0]),
        _operating_points(sample, probabilities[best]),
    )


class _Candidate(NamedTuple):
    """A method, and the face size and detail below which faces are drawn to one half."""

    method: str
    px: float
    detail: float

    def __str__(self) -> str:
        return f"{self.method}, certain from {self.px:g} px and detail {self.detail:g}"


def _out_of_fold(sample: Sample, candidate: _Candidate, folds: int) -> Floats:
    out = np.zeros(len(sample.logits))
    splitter = GroupKFold(min(folds, len(set(sample.groups.tolist()))))
    for learnt, judged in splitter.split(sample.logits, sample.fake, sample.groups):
        spec = _fit(sample.at(learnt), candidate)
        theirs = sample.at(judged)
        out[judged] = calibrate(theirs.logits, spec, theirs.face_px, theirs.detail)
    return out


def _fit(sample: Sample, candidate: _Candidate) -> CalibrationSpec:
    """Fits on faces that hold enough to be certain of; the others follow from them."""
    method, px, detail = candidate
    enough = np.flatnonzero((sample.face_px >= px) & (sample.detail >= detail))
    fitted = sample.at(enough) if len(set(sample.fake[enough].tolist())) == 2 else sample
    limits = {"certain_from_px": px, "certain_from_detail": detail}
    return _FITS[method](fitted).model_copy(update=limits)


def _temperature(sample: Sample) -> CalibrationSpec:
    def loss(log_temperature: float) -> float:
        spec = CalibrationSpec(method="temperature", temperature=float(np.exp(log_temperature)))
        return _loss(sample, calibrate(sample.logits, spec))

    found = minimize_scalar(loss, bounds=(-4, 4), method="bounded")
    return CalibrationSpec(method="temperature", temperature=round(float(np.exp(found.x)), 4))


def _platt(sample: Sample) -> CalibrationSpec:
    """Logistic regression; the classes weigh the same, so that 0.5 favours neither."""
    model = LogisticRegression(C=1e3, class_weight="balanced")
    model.fit(sample.logits[:, None], sample.fake, sample_weight=sample.weights)
    slope = max(float(model.coef_[0, 0]), 1e-3)
    return CalibrationSpec(
        method="platt", slope=round(slope, 4), intercept=round(float(model.intercept_[0]), 4)
    )


def _isotonic(sample: Sample) -> CalibrationSpec:
    low, high = 1 - _MOST_CERTAIN, _MOST_CERTAIN
    model = IsotonicRegression(y_min=low, y_max=high).fit(
        sample.logits, sample.fake, sample_weight=sample.weights
    )
    xs, ys = model.X_thresholds_, model.y_thresholds_
    rising = np.concatenate([[True], np.diff(np.round(xs, 4)) > 0])
    knots = tuple(
        (round(float(x), 4), round(float(y), 4))
        for x, y in zip(xs[rising], ys[rising], strict=True)
    )
    if len(knots) < 2:
        return _platt(sample)
    return CalibrationSpec(method="isotonic", knots=knots)


_FITS: dict[str, Callable[[Sample], CalibrationSpec]] = {
    "temperature": _temperature,
    "platt": _platt,
    "isotonic": _isotonic,
}


def _loss(sample: Sample, probabilities: Floats) -> float:
    p = np.clip(probabilities, 1e-4, 1 - 1e-4)
    return float(log_loss(sample.fake, p, sample_weight=sample.weights))


def _operating_points(sample: Sample, probabilities: Floats) -> dict[str, float]:
    """The probability above which a real face lies in 1 %, 5 % and 10 % of cases."""
    real = probabilities[~sample.fake]
    return {
        f"{rate:.2f}": math.ceil(float(np.quantile(real, 1 - rate, method="higher")) * 1e4) / 1e4
        for rate in FALSE_POSITIVE_RATES
    }
