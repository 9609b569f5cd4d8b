"""Heatmaps of the tracks' keyframes, on request."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deepfake_serving.contracts.models import Thresholds
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.verdict import NO_HEATMAPS
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.video.analyse import analyse
from deepfake_serving.video.build_shot import build_shot
from deepfake_serving.video.gallery.heatmaps import FRAMES_PER_REQUEST, heatmaps_of
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.sampling import Sampling
from deepfake_serving.video.scored_frames import DetectionResult
from deepfake_serving.video.shot_collector import ScoredFace, ScoredFrame, ShotFrames
from model_handlers.items import Options
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.heatmaps.heatmap import build_heatmap
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask

GREY = np.full((224, 224, 3), 128, np.uint8)


def heatmap(*, raises: bool) -> dict[str, Any]:
    """Returns a map whose upper left cell raises or lowers the score."""
    grid = np.zeros((7, 7), np.float32)
    grid[0, 0] = 1 if raises else -1
    return dataclasses.asdict(build_heatmap(GREY, grid, 0.5))


def _pixels(image: bytes) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_UNCHANGED)
    return np.asarray(pixels, np.uint8)


class Explained:
    """The real detector; notes the sizes of the batches that it gets."""

    def __init__(self, detector: DetectorTask, *, explain: bool) -> None:
        self.detector, self.explain = detector, explain
        self.batches: list[int] = []

    async def __call__(self, frames: Sequence[Pixels]) -> list[DetectionResult]:
        self.batches.append(len(frames))
        options = [Options(follow=True, explain=self.explain)] * len(frames)
        outcomes = self.detector.run(list(frames), options, Stopwatch())
        return [o if isinstance(o, Problem) else dataclasses.asdict(o) for o in outcomes]


async def run(clip: Path, detect: Explained) -> tuple[VideoVerdict, dict[str, bytes]]:
    images: dict[str, bytes] = {}

    async def save(name: str, image: bytes) -> None:
        images[name] = image

    options = VideoOptions(Sampling.parse("every:4"), explain=detect.explain)
    return await analyse(clip, detect, options, save, lambda _: None), images


async def test_the_keyframe_of_a_track_has_a_heatmap_on_request(
    clip: Path, detector: DetectorTask
) -> None:
    plain, _ = await run(clip, Explained(detector, explain=False))
    detect = Explained(detector, explain=True)
    verdict, images = await run(clip, detect)
    (track,), (without,) = verdict.shots[0].tracks, plain.shots[0].tracks
    assert not without.heatmaps
    assert [frame.box for frame in track.frames] == [frame.box for frame in without.frames]
    assert track.fake_probability == pytest.approx(without.fake_probability, abs=0.05)
    assert max(detect.batches) == FRAMES_PER_REQUEST
    ((model, drawn),) = track.heatmaps.items()
    assert (model, len(drawn.grid)) == (verdict.model.name, 7)
    for name, channels in ((drawn.image, 3), (drawn.overlay, 4)):
        assert name in verdict.gallery
        assert _pixels(images[str(name)]).shape == (224, 224, channels)


def test_the_heatmap_is_that_of_the_highest_score_and_has_its_crop() -> None:
    low, high = heatmap(raises=False), heatmap(raises=True)
    frames = [
        ScoredFrame(n, n / 10, np.zeros((8, 8, 3), np.uint8), [face])
        for n, face in enumerate(
            ScoredFace([10.0, 10.0, 50.0, 50.0], p, 0.999, b"jpeg", {}, {"one": each})
            for p, each in [(0.2, low), (0.9, high), (0.3, low)]
        )
    ]
    result = build_shot(1, ShotFrames(0.0, 1.0, [frames]), Thresholds())
    drawn = result.shot.tracks[0].heatmaps["one"]
    assert (drawn.grid, drawn.offset) == (high["grid"], high["offset"])
    assert np.abs(_pixels(result.images["track-1-1-heatmap-1.jpg"]) - 128.0).max() < 3
    blue, _, red, opacity = _pixels(result.images["track-1-1-heatmap-1.png"])[5, 5]
    assert red > blue + 50, "red raises the score"
    assert opacity > 50


def test_an_ensembles_face_has_the_heatmaps_of_its_members() -> None:
    one = heatmap(raises=True)
    models: dict[str, Any] = {
        "a": {"fake_probability": 0.5, "heatmap": one},
        "b": {"fake_probability": 0.5},
        "c": {"unavailable": "overloaded"},
    }
    assert heatmaps_of({"heatmap": None, "models": models}, "pair") == {"a": one}
    assert heatmaps_of({"heatmap": one, "models": {}}, "detector") == {"detector": one}
    assert heatmaps_of({}, "detector") == {}


async def test_a_network_without_heatmaps_is_named_once(
    clip: Path, detector: DetectorTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    detect = Explained(detector, explain=True)
    whole = detector.classifier.score

    def without_maps(*given: Any) -> Any:
        return whole(*given)._replace(maps=None)

    monkeypatch.setattr(detector.classifier, "score", without_maps)
    verdict, _ = await run(clip, detect)
    assert verdict.warnings.count(NO_HEATMAPS) == 1
    assert all(not track.heatmaps for shot in verdict.shots for track in shot.tracks)
