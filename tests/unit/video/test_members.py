"""A track has the mean score of each model, and names those that scored none of its frames."""

from __future__ import annotations

import numpy as np
import pytest

from deepfake_serving.contracts.models import Thresholds
from deepfake_serving.contracts.verdict import ModelScore
from deepfake_serving.video.accumulator import VideoAccumulator
from deepfake_serving.video.build_shot import build_shot
from deepfake_serving.video.shot_collector import ScoredFace, ScoredFrame, ShotFrames


def frame(number: int, models: dict[str, ModelScore]) -> ScoredFrame:
    face = ScoredFace([10.0, 10.0, 50.0, 50.0], 0.5, 0.999, b"jpeg", models)
    return ScoredFrame(number, number / 10, np.zeros((8, 8, 3), np.uint8), [face])


def test_members_are_averaged_over_the_frames_that_they_scored() -> None:
    late: ModelScore = {"unavailable": "deadline-exceeded"}
    frames = [
        frame(0, {"a": {"fake_probability": 0.2}, "b": {"fake_probability": 0.6}, "c": late}),
        frame(1, {"a": {"fake_probability": 0.4}, "b": late, "c": late}),
        frame(2, {"a": {"fake_probability": 0.6}, "b": {"fake_probability": 0.7}, "c": late}),
    ]
    shot = build_shot(1, ShotFrames(0.0, 1.0, [frames]), Thresholds()).shot
    (track,) = shot.tracks
    assert track.models["a"] == {"fake_probability": pytest.approx(0.4)}
    assert track.models["b"] == {"fake_probability": pytest.approx(0.65)}
    assert track.models["c"] == late


def test_frames_without_a_member_are_counted() -> None:
    late = {"a": {"fake_probability": 0.2}, "b": {"unavailable": "deadline-exceeded"}}
    whole = {"a": {"fake_probability": 0.2}, "b": {"fake_probability": 0.4}}
    model = {"name": "pair", "version": "1.0", "digest": None, "trained": True}
    accumulator = VideoAccumulator()
    accumulator.add_results(
        [{"model": model, "faces": [{"models": m}] * 2} for m in (late, whole, late)]
    )
    assert accumulator.left_out == {("b", "deadline-exceeded"): 2}
