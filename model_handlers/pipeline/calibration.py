"""Calibration: from logits to probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_handlers.manifest import CalibrationSpec

Floats = npt.NDArray[np.float64]


def calibrate(
    logits: npt.ArrayLike,
    spec: CalibrationSpec,
    face_px: npt.ArrayLike = np.inf,
    detail: npt.ArrayLike = np.inf,
) -> Floats:
    """Maps logits (n,) to probabilities (n,) in [0, 1].

    Args:
        face_px: longer sides (n,) of the faces, source pixels. The log odds of a face smaller than
            `certain_from_px` are scaled by the ratio of the two.
        detail: detail of the crops (n,), see `pipeline.detail`; likewise below
            `certain_from_detail`.

    identity: the sigmoid; temperature: sigmoid(x / t) (Guo et al. 2017, arXiv:1706.04599);
    platt: sigmoid(slope * x + intercept) (Platt 1999); isotonic: a monotonic
    piecewise linear function through `knots` (Zadrozny & Elkan 2002), constant beyond them.
    """
    p = _probabilities(np.asarray(logits, dtype=np.float64), spec)
    share = _share(face_px, spec.certain_from_px) * _share(detail, spec.certain_from_detail)
    if np.all(share == 1):
        return p
    odds = np.log(np.clip(p, 1e-9, 1) / np.clip(1 - p, 1e-9, 1))
    return np.where(share < 1, _sigmoid(share**2 * odds), p)


def _share(measured: npt.ArrayLike, enough: float) -> Floats:
    """Returns `measured / enough`, at most 1; 1 if `enough` is 0."""
    if not enough:
        return np.ones(1)
    return np.minimum(1.0, np.asarray(measured, dtype=np.float64) / enough)


def _probabilities(x: Floats, spec: CalibrationSpec) -> Floats:
    if spec.method == "isotonic":
        knots = np.asarray(spec.knots, dtype=np.float64)
        return np.interp(x, knots[:, 0], knots[:, 1])
    if spec.method == "temperature":
        x = x / spec.temperature
    elif spec.method == "platt":
        x = spec.slope * x + spec.intercept
    return _sigmoid(x)


def _sigmoid(x: Floats) -> Floats:
    """The logistic function by the hyperbolic tangent, which can't overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))
