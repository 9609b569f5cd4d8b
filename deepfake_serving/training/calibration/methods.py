"""Calibration methods: temperature scaling, Platt scaling and isotonic regression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from deepfake_serving.training.calibration.sample import CalibrationSample
from model_handlers.manifest import CalibrationSpec
from model_handlers.pipeline.calibration import Floats, calibrate

_MAX_PROBABILITY = 0.99


def fit_temperature(sample: CalibrationSample) -> CalibrationSpec:
    """Fits one temperature by log loss (Guo et al. 2017, arXiv:1706.04599)."""

    def loss(log_temperature: float) -> float:
        spec = CalibrationSpec(method="temperature", temperature=float(np.exp(log_temperature)))
        return sample_log_loss(sample, calibrate(sample.logits, spec))

    result = minimize_scalar(loss, bounds=(-4, 4), method="bounded")
    return CalibrationSpec(method="temperature", temperature=round(float(np.exp(result.x)), 4))


def fit_platt(sample: CalibrationSample) -> CalibrationSpec:
    """Fits a logistic regression with balanced classes (Platt 1999)."""
    model = LogisticRegression(C=1e3, class_weight="balanced")
    model.fit(sample.logits[:, None], sample.fake, sample_weight=sample.weights)
    slope = max(float(model.coef_[0, 0]), 1e-3)
    return CalibrationSpec(
        method="platt", slope=round(slope, 4), intercept=round(float(model.intercept_[0]), 4)
    )


def fit_isotonic(sample: CalibrationSample) -> CalibrationSpec:
    """Fits an isotonic regression, clipped to 0.01..0.99 (Zadrozny & Elkan 2002)."""
    model = IsotonicRegression(y_min=1 - _MAX_PROBABILITY, y_max=_MAX_PROBABILITY)
    model.fit(sample.logits, sample.fake, sample_weight=sample.weights)
    xs, ys = model.X_thresholds_, model.y_thresholds_
    rising = np.concatenate([[True], np.diff(np.round(xs, 4)) > 0])
    knots = tuple(
        (round(float(x), 4), round(float(y), 4))
        for x, y in zip(xs[rising], ys[rising], strict=True)
    )
    if len(knots) < 2:
        return fit_platt(sample)
    return CalibrationSpec(method="isotonic", knots=knots)


METHODS: dict[str, Callable[[CalibrationSample], CalibrationSpec]] = {
    "temperature": fit_temperature,
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}
"""Methods by name, simplest first."""


def sample_log_loss(sample: CalibrationSample, probabilities: Floats) -> float:
    """Computes the weighted log loss, with probabilities clipped to 1e-4..1 - 1e-4."""
    p = np.clip(probabilities, 1e-4, 1 - 1e-4)
    return float(log_loss(sample.fake, p, sample_weight=sample.weights))
