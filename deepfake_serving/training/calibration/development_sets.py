"""One calibration for all development sets: no set's real faces are called fake too often.

The words' thresholds keep their probabilities; the logit that is given the upper one is moved to
where, in each set and variant, at most a few real faces lie above it. What remains, the slope, is
fitted by log loss, every set and class with the same weight (Platt scaling with a fixed point;
Platt 1999). A set with few fakes or many faces thus has no more say than another.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from deepfake_serving.training.predict.scores import Score
from model_handlers.manifest import CalibrationSpec, ThresholdsSpec
from model_handlers.pipeline.calibration import calibrate

Floats = npt.NDArray[np.float64]
Sets = Mapping[str, Sequence[Score]]
AT_MOST = 0.03
"""Share of a set's real faces that may be called fake."""

_ENOUGH = 30
"""Real faces from which on a set has a say about it."""


@dataclass(frozen=True, slots=True)
class SetsCalibration:
    """`left_out`: share of each set's reals called fake by a calibration that hadn't seen it."""

    calibration: CalibrationSpec
    thresholds: ThresholdsSpec
    left_out: dict[str, float]

    def write(self, path: Path) -> None:
        """Writes the file that `export --calibration` reads."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "calibration": self.calibration.model_dump(mode="json", exclude_defaults=True),
            "thresholds": self.thresholds.model_dump(mode="json"),
            "left_out": self.left_out,
        }
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def fit_sets(sets: Sets, at_most: float = AT_MOST) -> SetsCalibration:
    """Fits on all sets; measures each set's false positives by a fit on the others.

    Raises:
        ValueError: no set has enough real faces, or there are no fakes.
    """
    words = ThresholdsSpec()
    left_out = {}
    for name, scores in sets.items():
        others = {other: found for other, found in sets.items() if other != name}
        if (reals := _logits(scores, False)).size and _pins(others, at_most):
            pin = max(_pins(others, at_most))
            left_out[name] = float((reals > pin).mean())
    return SetsCalibration(_fit(sets, at_most, words), words, left_out)


def _fit(sets: Sets, at_most: float, words: ThresholdsSpec) -> CalibrationSpec:
    pins = _pins(sets, at_most)
    if not pins:
        raise ValueError(f"no set has {_ENOUGH} real faces of one variant")
    pin, odds = max(pins), math.log(words.fake_above / (1 - words.fake_above))
    logits, labels, weights = _weighted(sets)
    if not labels.any():
        raise ValueError("no set has a fake")

    def spec(log_slope: float) -> CalibrationSpec:
        slope = round(math.exp(log_slope), 4)
        intercept = math.floor((odds - slope * pin) * 1e4) / 1e4  # never above the bound
        return CalibrationSpec(method="platt", slope=slope, intercept=intercept)

    def loss(log_slope: float) -> float:
        p = np.clip(calibrate(logits, spec(log_slope)), 1e-4, 1 - 1e-4)
        return float(-(weights * np.where(labels, np.log(p), np.log(1 - p))).sum())

    found = minimize_scalar(loss, bounds=(-3, 2), method="bounded")
    return spec(float(found.x))


def _pins(sets: Sets, at_most: float) -> list[float]:
    """For each set and variant the logit above which no more than `at_most` of the reals lie."""
    pins = []
    for scores in sets.values():
        for variant in dict.fromkeys(score.variant for score in scores):
            reals = _logits([s for s in scores if s.variant == variant], False)
            if len(reals) >= _ENOUGH:
                allowed = math.floor(at_most * len(reals))
                pins.append(float(np.sort(reals)[-1 - allowed]))
    return pins


def _weighted(sets: Sets) -> tuple[Floats, npt.NDArray[np.bool_], Floats]:
    """Logits, labels and weights: each class has half of the weight, each set an equal part."""
    logits, labels, weights = [], [], []
    for fake in (False, True):
        found = [values for scores in sets.values() if (values := _logits(scores, fake)).size]
        for values in found:
            logits.append(values)
            labels.append(np.full(len(values), fake))
            weights.append(np.full(len(values), 0.5 / len(found) / len(values)))
    return np.concatenate(logits), np.concatenate(labels), np.concatenate(weights)


def _logits(scores: Sequence[Score], fake: bool) -> Floats:
    found = np.array([s.logit for s in scores if s.fake == fake], dtype=np.float64)
    return found[np.isfinite(found)]
