"""Combination of the members' scores."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.ensembles.combine import combine
from deepfake_serving.ensembles.spec import EnsembleSpec

PROBABILITIES = st.floats(0, 1)


def ensemble(**given: Any) -> EnsembleSpec:
    members = [{"model": "a", "weight": 3}, {"model": "b"}, {"model": "c"}]
    return EnsembleSpec.model_validate(
        {"name": "ensemble", "version": "1.0", "members": members} | given
    )


@pytest.mark.parametrize(
    ("combination", "expected"),
    [("mean", 0.5), ("weighted", 0.34), ("max", 0.8), ("logit_mean", 0.276882)],
)
def test_the_scores_are_combined_as_configured(combination: str, expected: float) -> None:
    scores = {"a": 0.1, "b": 0.6, "c": 0.8}
    assert combine(ensemble(combination=combination), scores) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("combination", ["mean", "weighted", "max", "logit_mean"])
@given(p=st.floats(1e-6, 1 - 1e-6))
def test_members_that_agree_are_not_changed(combination: str, p: float) -> None:
    spec = ensemble(combination=combination)
    assert combine(spec, dict.fromkeys("abc", p)) == pytest.approx(p, abs=1e-5)
    assert combine(spec, {"b": p}) == pytest.approx(p, abs=1e-5)


@pytest.mark.parametrize("combination", ["mean", "weighted", "max", "logit_mean"])
@given(scores=st.dictionaries(st.sampled_from("abc"), PROBABILITIES, min_size=1))
def test_the_result_is_within_the_members_scores(
    combination: str, scores: dict[str, float]
) -> None:
    result = combine(ensemble(combination=combination), scores)
    assert min(scores.values()) - 2e-6 <= result <= max(scores.values()) + 2e-6


def test_the_ensemble_has_its_own_calibration() -> None:
    spec = ensemble(calibration={"slope": 2, "intercept": -1})
    assert combine(spec, {"a": 0.5}) == pytest.approx(0.268941)
