"""Combining the scores that the members of an ensemble give one face."""

from __future__ import annotations

import math
from collections.abc import Mapping

from deepfake_serving.ensembles.spec import EnsembleSpec

_MIN = 1e-6
"""Probabilities are clipped to [1e-6, 1 - 1e-6], whose log odds are finite."""


def combine(spec: EnsembleSpec, scores: Mapping[str, float]) -> float:
    """Returns the calibrated probability of a face, rounded to six digits.

    Args:
        scores: probabilities by model, at least one. Members without one are left out, and the
            weights of the others count among themselves.
    """
    present = [(m.weight, scores[m.model]) for m in spec.members if m.model in scores]
    if spec.combination == "max":
        combined = max(p for _, p in present)
    elif spec.combination == "mean":
        combined = sum(p for _, p in present) / len(present)
    else:
        total = sum(weight for weight, _ in present)
        if spec.combination == "weighted":
            combined = sum(weight * p for weight, p in present) / total
        else:
            log_odds = sum(weight * _log_odds(p) for weight, p in present) / total
            return _calibrated(spec, log_odds)
    if spec.calibration == type(spec.calibration)():
        return round(combined, 6)
    return _calibrated(spec, _log_odds(combined))


def _calibrated(spec: EnsembleSpec, log_odds: float) -> float:
    x = spec.calibration.slope * log_odds + spec.calibration.intercept
    return round(0.5 * (1 + math.tanh(0.5 * x)), 6)


def _log_odds(probability: float) -> float:
    p = min(max(probability, _MIN), 1 - _MIN)
    return math.log(p / (1 - p))
