"""Calibration: known parameters are recovered, also out of fold, and people are in one fold."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from deepfake_serving.training.calibration.sample import CalibrationSample
from deepfake_serving.training.calibration.selection import (
    CalibrationResult,
    select_calibration,
)
from deepfake_serving.training.cli import app
from deepfake_serving.training.predict.scores import Score, read_scores, write_scores
from model_handlers.manifest import CalibrationSpec
from model_handlers.pipeline.calibration import calibrate


def scores(
    people: int = 120,
    slope: float = 0.5,
    intercept: float = -1.0,
    small: bool = False,
    blurred: bool = False,
) -> list[Score]:
    """Returns logits with known log odds, and noise for faces with too little information."""
    rng = np.random.default_rng(5)
    created = []
    for person in range(people):
        for frame in range(4):
            px = 60.0 if small and person % 2 else 200.0
            d = 1.0 if blurred and person % 2 else 5.0
            logit = float(rng.normal(2, 4))
            odds = 0.0 if px < 100 or d < 2 else slope * logit + intercept
            fake = bool(rng.random() < 1 / (1 + np.exp(-odds)))
            path = f"{'fake' if fake else 'real'}/{person}.mp4"
            kind = "swap" if fake else "real"
            created.append(Score(path, fake, kind, str(person), frame, px, "as is", logit, 0.5, d))
    return created


@cache
def selected() -> tuple[CalibrationSample, CalibrationResult]:
    """Returns the default sample and its calibration, shared by several tests."""
    sample = CalibrationSample.from_scores(scores())
    return sample, select_calibration(sample)


def test_a_known_miscalibration_is_corrected() -> None:
    sample, calibrated = selected()
    odds = 0.5 * sample.logits - 1.0
    truth = 1 / (1 + np.exp(-odds))
    found = calibrate(sample.logits, calibrated.calibration, sample.face_px, sample.detail)
    assert np.abs(found - truth).mean() < 0.05
    assert np.abs(calibrated.out_of_fold - truth).mean() < 0.06
    assert calibrated.out_of_fold_ece < 0.08
    assert calibrated.log_losses["platt, certain from 0 px and detail 0"] < 0.6


def test_small_faces_without_information_are_drawn_to_one_half() -> None:
    sample = CalibrationSample.from_scores(scores(small=True))
    calibrated = select_calibration(sample)
    assert calibrated.calibration.certain_from_px >= 80
    small = sample.face_px < 100
    doubt = np.abs(calibrated.out_of_fold - 0.5)
    assert doubt[small].mean() < 0.6 * doubt[~small].mean()


def test_blurred_faces_without_information_are_drawn_to_one_half() -> None:
    sample = CalibrationSample.from_scores(scores(blurred=True))
    calibrated = select_calibration(sample)
    assert calibrated.calibration.certain_from_detail >= 2
    blurred = sample.detail < 2
    doubt = np.abs(calibrated.out_of_fold - 0.5)
    assert doubt[blurred].mean() < 0.6 * doubt[~blurred].mean()


def test_isotonic_regression_needs_a_hundred_identities() -> None:
    few = select_calibration(CalibrationSample.from_scores(scores(people=30)))
    assert not any("isotonic" in name for name in few.log_losses)
    assert any("isotonic" in name for name in selected()[1].log_losses)


def test_false_positive_rates_stay_within_their_limits() -> None:
    sample, calibrated = selected()
    real = calibrated.out_of_fold[~sample.fake]
    for rate, threshold in calibrated.at_false_positive_rate.items():
        assert (real > threshold).mean() <= float(rate)
    found = list(calibrated.at_false_positive_rate.values())
    assert found == sorted(found, reverse=True)


def test_every_media_file_has_the_same_weight() -> None:
    created = scores(people=40)
    sample = CalibrationSample.from_scores(created)
    total = {}
    for score, weight in zip(created, sample.weights, strict=True):
        total[score.path] = total.get(score.path, 0) + weight
    assert all(weight == pytest.approx(1) for weight in total.values())


def test_faces_without_a_logit_are_dropped_and_a_single_class_is_refused() -> None:
    created = scores(people=10)
    lost = Score("real/x.mp4", False, "real", "x", 0, 100, "as is", *[float("nan")] * 3)
    assert len(CalibrationSample.from_scores([*created, lost]).logits) == len(created)
    with pytest.raises(ValueError, match="both classes"):
        CalibrationSample.from_scores([s for s in created if s.fake])
    with pytest.raises(ValueError, match="a server's"):
        CalibrationSample.from_scores([lost])


def test_the_written_calibration_is_valid_in_a_manifest(tmp_path: Path) -> None:
    selected()[1].write(tmp_path / "calibration.json")
    content = json.loads((tmp_path / "calibration.json").read_text())
    CalibrationSpec.model_validate(content["calibration"])
    assert content["thresholds"] == {"suspicious_from": 0.4, "fake_above": 0.6}
    assert set(content["threshold_at_false_positive_rate"]) == {"0.01", "0.05", "0.10"}


@pytest.mark.parametrize(("people", "warns"), [(6, True), (20, False)])
def test_a_calibration_of_few_identities_comes_with_a_warning(
    tmp_path: Path, people: int, warns: bool
) -> None:
    write_scores(scores(people=people), tmp_path / "scores.csv")
    arguments = ["calibrate", str(tmp_path / "scores.csv"), "--out", str(tmp_path / "out.json")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert (f"fitted to {people} identities" in result.stderr) is warns
    assert json.loads(result.stdout)["calibration"]


def test_scores_round_trip_through_the_file(tmp_path: Path) -> None:
    created = scores(people=3)
    write_scores(created, tmp_path / "scores.csv")
    assert read_scores(tmp_path / "scores.csv") == created
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="not a file of scores"):
        read_scores(tmp_path / "other.csv")
