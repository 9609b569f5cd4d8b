"""One calibration for all development sets, with limits on the false positives of each set.

The thresholds of the labels keep their probabilities. The logit of the upper threshold is chosen so
that in each set and variant at most a few real faces lie above it. Then the slope is fitted by log
loss, with equal weights for all sets and classes (Platt scaling with a fixed point; Platt 1999), so
that large sets do not dominate. It is steeper where too many reals would lie above the lower
threshold otherwise.
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
MAX_FALSE_POSITIVE_RATE = 0.01
"""Maximum share of a set's real faces that are called fake."""
MAX_SUSPICIOUS_RATE = 0.15
"""Maximum share of a set's real faces that are called suspicious or fake."""

_LOGIT_ERROR = 0.01
"""By how much the logits of served weights, in half precision and on any runtime, may be higher."""

_MIN_REALS = 30
"""Minimum number of real faces of a set that counts for the limit."""


@dataclass(frozen=True, slots=True)
class SetsCalibration:
    """A calibration for all sets.

    `left_out`: share of each set's reals that a calibration on the other sets calls fake.
    """

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


def fit_sets(
    sets: Sets,
    max_share: float = MAX_FALSE_POSITIVE_RATE,
    max_suspicious: float = MAX_SUSPICIOUS_RATE,
) -> SetsCalibration:
    """Fits on all sets, and measures the false positives of each set by a fit on the others.

    Raises:
        ValueError: no set has enough real faces, or there are no fakes.
    """
    thresholds = ThresholdsSpec()
    left_out = {}
    for name, scores in sets.items():
        others = {other: found for other, found in sets.items() if other != name}
        if (reals := _logits(scores, False)).size and _limit_logits(others, max_share):
            limit_logit = max(_limit_logits(others, max_share))
            left_out[name] = float((reals > limit_logit).mean())
    calibration = _fit(sets, max_share, max_suspicious, thresholds)
    return SetsCalibration(calibration, thresholds, left_out)


def _fit(
    sets: Sets, max_share: float, max_suspicious: float, thresholds: ThresholdsSpec
) -> CalibrationSpec:
    limit_logits = _limit_logits(sets, max_share)
    if not limit_logits:
        raise ValueError(f"no set has {_MIN_REALS} real faces of one variant")
    limit_logit = max(limit_logits) + _LOGIT_ERROR
    odds = _log_odds(thresholds.fake_above)
    distance = limit_logit - max(_limit_logits(sets, max_suspicious))
    steep = (odds - _log_odds(thresholds.suspicious_from)) / distance if distance > 0 else 0.0
    logits, labels, weights = _weighted(sets)
    if not labels.any():
        raise ValueError("no set has a fake")

    def spec(log_slope: float) -> CalibrationSpec:
        slope = math.ceil(max(math.exp(log_slope), steep) * 1e4) / 1e4
        intercept = (
            math.floor((odds - slope * limit_logit) * 1e4) / 1e4
        )  # rounded down, so that the limit holds
        return CalibrationSpec(method="platt", slope=slope, intercept=intercept)

    def loss(log_slope: float) -> float:
        p = np.clip(calibrate(logits, spec(log_slope)), 1e-4, 1 - 1e-4)
        return float(-(weights * np.where(labels, np.log(p), np.log(1 - p))).sum())

    found = minimize_scalar(loss, bounds=(-3, 2), method="bounded")
    return spec(float(found.x))


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def _limit_logits(sets: Sets, max_share: float) -> list[float]:
    """Returns the lowest logits with at most `max_share` of the reals above, by set and variant."""
    limit_logits = []
    for scores in sets.values():
        for variant in dict.fromkeys(score.variant for score in scores):
            reals = _logits([s for s in scores if s.variant == variant], False)
            if len(reals) >= _MIN_REALS:
                allowed = math.floor(max_share * len(reals))
                limit_logits.append(float(np.sort(reals)[-1 - allowed]))
    return limit_logits


def _weighted(sets: Sets) -> tuple[Floats, npt.NDArray[np.bool_], Floats]:
    """Returns logits, labels and weights: half of the weight per class, shared equally by sets."""
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
