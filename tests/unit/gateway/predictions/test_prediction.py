"""Verdicts as predictions that are logged."""

from __future__ import annotations

import orjson

from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.contracts.video import Shot, Track, TrackFrame, VideoVerdict
from deepfake_serving.gateway.predictions.prediction import image_prediction, video_prediction

MODEL = {"name": "trio", "version": "1.0", "digest": "sha256:0", "trained": True}


def test_an_image_has_the_highest_score_of_each_member() -> None:
    low = {"a": {"fake_probability": 0.2}, "b": {"unavailable": "overloaded"}, "c": 0.5}
    high = {"a": {"fake_probability": 0.9}, "b": {"unavailable": "overloaded"}}
    verdict = {
        "verdict": "fake",
        "fake_probability": 0.8,
        "faces": [{"models": low}, {"models": high}],
        "model": MODEL,
        "timings_ms": {"decode": 1.0, "member a": 12.5},
    }
    prediction = image_prediction(orjson.dumps(verdict), 0.25, "id-1")
    assert prediction.metrics == {
        "fake_probability": 0.8,
        "faces": 2,
        "seconds": 0.25,
        "score/a": 0.9,
        "member_ms/a": 12.5,
    }
    assert prediction.unavailable == {"b": "overloaded"}
    assert (prediction.id, prediction.model.digest) == ("id-1", "sha256:0")


def test_an_image_without_a_face_has_no_probability() -> None:
    verdict = {"verdict": "no_face", "fake_probability": None, "faces": [], "model": MODEL}
    assert image_prediction(orjson.dumps(verdict), 0.5, "x").metrics == {"faces": 0, "seconds": 0.5}


def test_a_video_has_the_highest_score_of_its_tracks() -> None:
    def track(number: int, p: float) -> Track:
        frames = [TrackFrame(0.0, [0, 0, 1, 1], p)]
        models = {"detector": {"fake_probability": p}}
        return Track(f"1-{number}", "real", p, 0.0, frames, models=models)  # type: ignore[arg-type]

    shot = Shot(0.0, 1.0, "real", 0.3, [track(1, 0.1), track(2, 0.3)])
    verdict = VideoVerdict(
        *("real", 0.3, 0.0, "shots", [shot], 1, 1, 0.0, 1.0, 25.0, 64, 64),
        complete=True,
        model=ModelRef("detector", "1.3", None, True),
    )
    prediction = video_prediction(verdict, 2.0, "job-1")
    assert (prediction.kind, prediction.faces, prediction.id) == ("video", 2, "job-1")
    assert prediction.metrics["score/detector"] == 0.3
