"""The probability that one of several faces is fake."""

from __future__ import annotations

import math
from collections.abc import Sequence

_EXPONENT = 3
_MIN = 1e-9
"""Probabilities are clipped to [1e-9, 1 - 1e-9], whose odds are finite."""


def combined_probability(probabilities: Sequence[float]) -> float:
    """Combines the calibrated probabilities of faces that are seen together.

    The result is the power mean of their odds with exponent 3, rounded to six digits. Their highest
    probability would rise with their number, even if all are real; their mean odds (exponent 1),
    which are exact for one fake at most and errors without correlation, would hide a fake in a
    group. With 3, images of 1 to 64 real faces of the development sets are suspicious about
    equally often (docs/gateway.md).

    Args:
        probabilities: at least one. The result is that of a single one, and of equal ones.
    """
    if len(probabilities) == 1:
        return probabilities[0]
    log_odds = [_EXPONENT * _log_odds(p) for p in probabilities]
    highest = max(log_odds)
    total = sum(math.exp(each - highest) for each in log_odds)
    mean = (highest + math.log(total / len(log_odds))) / _EXPONENT
    return round(0.5 * (1 + math.tanh(0.5 * mean)), 6)


def _log_odds(probability: float) -> float:
    p = min(max(probability, _MIN), 1 - _MIN)
    return math.log(p / (1 - p))
