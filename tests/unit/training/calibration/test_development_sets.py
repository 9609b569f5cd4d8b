"""Calibration across sets: a limit for each set, and equal weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deepfake_serving.training.calibration.development_sets import Sets, fit_sets
from deepfake_serving.training.predict.scores import Score
from model_handlers.pipeline.calibration import calibrate


def _scores(logits: np.ndarray, fake: bool, variant: str = "as is") -> list[Score]:  # type: ignore[type-arg]
    return [
        Score(str(n), fake, "made", str(n), 0, 200.0, variant, float(x), 0.5, 5.0)
        for n, x in enumerate(logits)
    ]


def _sets(shift: float = 1.5) -> Sets:
    """Returns sets: the reals of `hard` are `harder` higher than those of `easy`."""
    rng = np.random.default_rng(3)
    easy = _scores(rng.normal(-2, 1, 100), False) + _scores(rng.normal(3, 1, 40), True)
    hard = _scores(rng.normal(-2 + shift, 1, 200), False) + _scores(rng.normal(3, 1, 900), True)
    return {"easy": easy, "hard": hard, "only_real": _scores(rng.normal(-2, 1, 50), False)}


@pytest.mark.parametrize("max_share", [0.01, 0.03])
def test_false_positives_are_limited_in_every_set(max_share: float) -> None:
    """Also if the served weights, in half precision, give slightly higher logits."""
    sets = _sets()
    fitted = fit_sets(sets, max_share)
    for name, scores in sets.items():
        reals = [s.logit + 0.005 for s in scores if not s.fake]
        called = calibrate(reals, fitted.calibration) > fitted.thresholds.fake_above
        assert called.mean() <= max_share, name
    fakes = [s.logit for s in sets["easy"] if s.fake]
    assert (calibrate(fakes, fitted.calibration) > fitted.thresholds.fake_above).mean() > 0.8


def test_suspected_reals_are_limited_in_every_set() -> None:
    """A third of the reals lie just below the upper threshold, where many fakes are too."""
    rng = np.random.default_rng(3)
    reals = np.r_[rng.normal(-3, 0.3, 134), rng.uniform(0, 0.9, 64), 1.0, 1.0]
    scores = _scores(reals, False) + _scores(rng.normal(0.5, 0.5, 200), True)
    flat, steep = (fit_sets({"it": scores}, max_suspicious=share) for share in (0.99, 0.15))
    suspected = [
        (calibrate(reals, each.calibration) >= each.thresholds.suspicious_from).mean()
        for each in (flat, steep)
    ]
    assert suspected[0] > 0.25
    assert suspected[1] <= 0.15
    called = (calibrate(reals, steep.calibration) > steep.thresholds.fake_above).mean()
    assert called <= 0.01


def test_each_variant_is_limited_separately() -> None:
    sets = dict(_sets())
    degraded = _scores(np.full(60, 1.9), False, "jpeg 50")
    sets["easy"] = [*sets["easy"], *degraded]
    fitted = fit_sets(sets)
    assert calibrate([1.9], fitted.calibration)[0] <= fitted.thresholds.fake_above + 1e-3


def test_false_positives_of_held_out_sets_are_reported() -> None:
    left_out = fit_sets(_sets(shift=3.0)).left_out
    assert left_out["hard"] > 0.1
    assert left_out["easy"] == 0


def test_sets_have_equal_weight_whatever_their_size() -> None:
    sets = dict(_sets())
    once = fit_sets(sets).calibration
    sets["hard"] = [*sets["hard"], *sets["hard"], *sets["hard"]]
    assert fit_sets(sets).calibration.slope == pytest.approx(once.slope, abs=0.02)


def test_the_written_calibration_can_be_exported(tmp_path: Path) -> None:
    fitted = fit_sets(_sets())
    fitted.write(tmp_path / "calibration.json")
    content = json.loads((tmp_path / "calibration.json").read_text())
    assert content["calibration"]["method"] == "platt"
    assert content["thresholds"]["fake_above"] == 0.6


def test_a_fit_without_reals_or_fakes_is_refused() -> None:
    with pytest.raises(ValueError, match="real"):
        fit_sets({"a": _scores(np.ones(50), True)})
    with pytest.raises(ValueError, match="fake"):
        fit_sets({"a": _scores(np.ones(50), False)})
