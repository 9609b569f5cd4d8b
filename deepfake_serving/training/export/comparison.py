"""Comparison of an exported network with the trained one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_handlers.manifest import CalibrationSpec
from model_handlers.pipeline.calibration import Floats, calibrate

MAX_LOGIT_DIFFERENCE = 0.05
MAX_PROBABILITY_DIFFERENCE = 1e-3
"""The tolerances of an export, on every sample crop."""


class ExportError(ValueError):
    """The export must not be used; the message names the format and the reason."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The maximum differences of logits and calibrated probabilities over `crops` crops."""

    logit: float
    probability: float
    crops: int


def compare_logits(
    name: str,
    expected: Floats,
    actual: Floats,
    calibration: CalibrationSpec,
    max_probability_difference: float = MAX_PROBABILITY_DIFFERENCE,
) -> Difference:
    """Compares logits `actual` (n,) with `expected` (n,).

    Args:
        name: the format, for the error message.
        calibration: the shipped one; probabilities are compared as clients see them.

    Raises:
        ExportError: a logit is not finite, or a difference exceeds its limit.
    """
    if expected.shape != actual.shape or not len(expected):
        raise ExportError(f"{name}: {actual.shape} logits where {expected.shape} were expected")
    if not (np.isfinite(expected).all() and np.isfinite(actual).all()):
        raise ExportError(f"{name}: a logit is not finite; check the weights")
    probabilities = calibrate(expected, calibration) - calibrate(actual, calibration)
    difference = Difference(
        float(np.abs(expected - actual).max()), float(np.abs(probabilities).max()), len(expected)
    )
    if (
        difference.probability > max_probability_difference
        or difference.logit > MAX_LOGIT_DIFFERENCE
    ):
        raise ExportError(
            f"{name}: logits differ by up to {difference.logit:.3g} "
            f"(limit {MAX_LOGIT_DIFFERENCE:g}), probabilities by up to "
            f"{difference.probability:.3g} (limit {max_probability_difference:g}, see --bound)"
        )
    return difference
