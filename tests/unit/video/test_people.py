"""Tracks of the same person: which are joined, by a tiny network that returns the mean colour."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deepfake_serving.contracts.video import Shot, Track, TrackFrame, VideoVerdict
from deepfake_serving.video.analyse import analyse
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.people.embedder import FaceEmbedder
from deepfake_serving.video.people.grouping import (
    MAX_TRACKS,
    TrackIdentity,
    group,
    identify,
    with_people,
)
from deepfake_serving.video.people.manifest import PersonModelError
from deepfake_serving.video.sampling import Sampling
from deepfake_serving.video.scored_frames import DetectionResult
from model_handlers.pipeline.decode import Pixels
from tests.support.person_models import mean_colour, write_model

Detect = Callable[[list[Pixels]], Awaitable[list[DetectionResult]]]


@pytest.fixture
def embedder(tmp_path: Path) -> FaceEmbedder:
    return FaceEmbedder(write_model(tmp_path))


def face(red: int, green: int, blue: int) -> bytes:
    image = np.empty((256, 256, 3), np.uint8)
    image[:] = (blue, green, red)
    return cv2.imencode(".png", image)[1].tobytes()


def identity(angle: float, *frames: float) -> TrackIdentity:
    vector = np.array([np.cos(angle), np.sin(angle)], np.float32)
    return TrackIdentity(vector, frozenset(frames))


def test_similar_tracks_are_one_person_numbered_by_appearance() -> None:
    tracks = [identity(0.0, 0), identity(1.5, 1), identity(0.3, 2), identity(1.4, 3)]
    assert group(tracks, similarity=0.8) == [1, 2, 1, 2]
    assert group([], similarity=0.8) == []


def test_components_are_connected_by_the_tracks_between() -> None:
    assert group([identity(0.0, 0), identity(0.5, 1), identity(1.0, 2)], 0.8) == [1, 1, 1]
    assert group([identity(0.0, 0), identity(1.0, 2)], 0.8) == [1, 2]


def test_faces_in_one_frame_are_different_people_however_similar() -> None:
    assert group([identity(0.0, 0, 1), identity(0.0, 1, 2)], 0.8) == [1, 2]
    twins = [identity(0.0, 0, 1), identity(0.1, 1), identity(0.02, 5)]
    assert group(twins, 0.8) == [1, 2, 1], "the most similar are joined first"


def test_only_the_longest_of_many_tracks_are_compared() -> None:
    frames = [TrackFrame(0.0, [0, 0, 1, 1], 0.5)]
    tracks = [Track(f"1-{n}", "real", 0.5, 0.0, frames) for n in range(MAX_TRACKS + 2)]
    shot = Shot(0.0, 9.0, "real", 0.5, tracks)
    short, long = identity(0.0, 1), identity(0.0, 2, 3)
    identities = [long, short, *[long] * (MAX_TRACKS - 1), short]
    (grouped,) = with_people([shot], identities, similarity=0.8)
    people = [track.person for track in grouped.tracks]
    assert people[1] is None
    assert people[-1] is None
    assert people[0] == 1
    assert people.count(None) == 2


def test_a_tracks_vector_is_the_mean_of_its_faces(embedder: FaceEmbedder) -> None:
    frames = [TrackFrame(float(t), [0, 0, 1, 1], 0.5) for t in range(2)]
    track = Track("1-1", "real", 0.5, 0.0, frames)
    found = identify(track, [face(255, 128, 128), face(128, 255, 128)], embedder)
    assert found.frames == {0.0, 1.0}
    assert found.vector == pytest.approx(np.array([1, 1, 0]) / np.sqrt(2), abs=0.02)


@pytest.mark.parametrize(("order", "first"), [("rgb", 0), ("bgr", 2)])
def test_colours_are_in_the_models_order(order: str, first: int, tmp_path: Path) -> None:
    embedder = FaceEmbedder(write_model(tmp_path, colour_order=order))
    (vector,) = embedder.embed([face(255, 128, 128)])
    assert int(np.argmax(vector)) == first


async def test_the_people_of_a_video_have_numbers(
    cut_video: tuple[Path, list[float]], detect: Detect, tmp_path: Path
) -> None:
    async def run(embedder: FaceEmbedder | None) -> VideoVerdict:
        async def save(name: str, image: bytes) -> None: ...

        options = VideoOptions(Sampling.parse("every:6"))
        return await analyse(cut_video[0], detect, options, save, lambda _: None, embedder)

    alike = await run(FaceEmbedder(write_model(tmp_path, similarity=0.01)))
    people = [[track.person for track in shot.tracks] for shot in alike.shots]
    assert sorted(people[3]) == [1, 2], "two faces in one frame are two people"
    assert people[0] == [1]
    assert not people[1]
    assert people[2][0] in (1, 2), "similar to one of them"
    without = await run(None)
    assert {track.person for shot in without.shots for track in shot.tracks} == {None}
    assert alike.fake_probability == without.fake_probability


def test_another_file_than_the_manifests_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    (tmp_path / "colours.onnx").write_bytes(mean_colour(32))
    with pytest.raises(PersonModelError, match=r"colours\.onnx has the sha256"):
        FaceEmbedder(path)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"size": 4}, "size"),
        ({"unknown": 1}, "unknown"),
        ({"similarity": 2}, "similarity"),
        ({"std": [0, 1, 1]}, "std"),
        ({"network": b"no network"}, "OpenCV can't run"),
    ],
)
def test_a_model_that_can_not_be_used_is_refused_with_the_reason(
    given: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(PersonModelError, match=reason):
        FaceEmbedder(write_model(tmp_path, **given))


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PersonModelError, match="No such file"):
        FaceEmbedder(tmp_path / "none.yaml")
