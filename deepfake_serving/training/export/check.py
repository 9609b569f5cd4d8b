"""Whether an exported network still judges as the trained one, and by how much it doesn't."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_handlers.manifest import CalibrationSpec
from model_handlers.pipeline.calibration import Floats, calibrate

LOGIT_BOUND = 0.05
PROBABILITY_BOUND = 1e-3
"""What an export may change at most on any crop that it is checked on."""


class ExportError(ValueError):
    """An export that must not be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest differences of logits and calibrated probabilities over `crops` crops."""

    logit: float
    probability: float
    crops: int


def compare(
    name: str,
    expected: Floats,
    found: Floats,
    calibration: CalibrationSpec,
    probability_bound: float = PROBABILITY_BOUND,
) -> Difference:
    """How far logits `found` (n,) are from `expected` (n,).

    Args:
        name: what the error calls the export.
        calibration: the one that ships: probabilities are compared as users will see them.

    Raises:
        ExportError: a logit is no number, or a difference is over its bound.
    """
    if expected.shape != found.shape or not len(expected):
        raise ExportError(f"{name}: {found.shape} logits where {expected.shape} were expected")
    if not (np.isfinite(expected).all() and np.isfinite(found).all()):
        raise ExportError(f"{name}: a logit is no number: are the weights broken?")
    probabilities = calibrate(expected, calibration) - calibrate(found, calibration)
    difference = Difference(
        float(np.abs(expected - found).max()), float(np.abs(probabilities).max()), len(expected)
    )
    if difference.probability > probability_bound or difference.logit > LOGIT_BOUND:
        raise ExportError(
            f"{name}: logits differ by up to {difference.logit:.2g} (bound {LOGIT_BOUND:g}), "
            f"probabilities by up to {difference.probability:.2g} (bound {probability_bound:g})"
        )
    return difference
