"""Calibration: each method equals its formula, is monotonic, and stays within [0, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from model_handlers.manifest import CalibrationSpec
from model_handlers.pipeline.calibration import calibrate

LOGITS = np.linspace(-30, 30, 241)
KNOTS = ((-2.0, 0.1), (0.0, 0.3), (0.5, 0.3), (3.0, 0.9))
METHODS: list[dict[str, Any]] = [
    {"method": "identity"},
    {"method": "temperature", "temperature": 2.5},
    {"method": "platt", "slope": 1.7, "intercept": -0.4},
    {"method": "isotonic", "knots": KNOTS},
]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (METHODS[0], expit(LOGITS)),
        (METHODS[1], expit(LOGITS / 2.5)),
        (METHODS[2], expit(1.7 * LOGITS - 0.4)),
    ],
)
def test_platt_is_a_sigmoid_of_the_scaled_and_shifted_logit(
    spec: dict[str, Any], expected: np.ndarray
) -> None:
    found = calibrate(LOGITS, CalibrationSpec.model_validate(spec))
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("logit", "probability"),
    [(-2, 0.1), (0, 0.3), (3, 0.9), (-1, 0.2), (0.2, 0.3), (1.75, 0.6), (-9, 0.1), (9, 0.9)],
)
def test_isotonic_interpolates_between_knots_and_is_constant_beyond(
    logit: float, probability: float
) -> None:
    (found,) = calibrate([logit], CalibrationSpec(method="isotonic", knots=KNOTS))
    assert found == pytest.approx(probability)


def test_parameters_of_other_methods_are_ignored() -> None:
    spec = CalibrationSpec(temperature=9, slope=9, intercept=9, knots=KNOTS)
    np.testing.assert_allclose(calibrate(LOGITS, spec), expit(LOGITS), atol=1e-12)


@pytest.mark.parametrize("spec", METHODS)
@given(logits=st.lists(st.floats(-1e300, 1e300), max_size=20))
def test_probabilities_rise_with_logits_and_lie_in_the_unit_interval(
    spec: dict[str, Any], logits: list[float]
) -> None:
    found = calibrate(sorted(logits), CalibrationSpec.model_validate(spec))
    assert found.shape == (len(logits),)
    assert found.dtype == np.float64
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("spec", METHODS[:2])
def test_a_zero_logit_is_one_half(spec: dict[str, Any]) -> None:
    assert calibrate([0.0], CalibrationSpec.model_validate(spec)).tolist() == [0.5]


@given(logit=st.floats(-700, 700))
def test_the_sigmoid_is_symmetric(logit: float) -> None:
    up, down = calibrate([logit, -logit], CalibrationSpec())
    assert up + down == pytest.approx(1, abs=1e-15)


def test_small_faces_are_drawn_to_one_half() -> None:
    spec = CalibrationSpec(method="platt", slope=2.0, intercept=0.5, certain_from_px=100)
    sides = [20.0, 50.0, 80.0, 100.0, 400.0]
    found = calibrate([3.0] * 5, spec, sides)
    odds = np.log(found / (1 - found))
    np.testing.assert_allclose(odds, np.array([0.04, 0.25, 0.64, 1, 1]) * 6.5, rtol=1e-6)
    assert (calibrate([-9.0], spec, [20.0]) > 0.3).all()


def test_faces_without_detail_are_drawn_to_one_half() -> None:
    spec = CalibrationSpec(certain_from_px=100, certain_from_detail=2.0)
    found = calibrate([4.0] * 4, spec, [200, 200, 50, 50], [5.0, 1.0, 5.0, 1.0])
    odds = np.log(found / (1 - found))
    np.testing.assert_allclose(odds, np.array([1, 0.25, 0.25, 0.0625]) * 4, rtol=1e-6)
    assert calibrate([9.0], spec, [200], [0.0]).tolist() == [0.5]


def test_face_size_is_ignored_unless_the_manifest_uses_it() -> None:
    spec = CalibrationSpec(method="isotonic", knots=((-1, 0.0), (1, 1.0)))
    assert calibrate([-1.0, 1.0], spec, [5.0, 5.0]).tolist() == [0.0, 1.0]
    certain = spec.model_copy(update={"certain_from_px": 100.0})
    drawn = calibrate([-1.0, 0.0, 1.0], certain, [50.0] * 3)
    assert np.isfinite(drawn).all()
    assert drawn[0] < drawn[1] == 0.5 < drawn[2]
