"""Aggregations of face probabilities."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.models import Thresholds
from deepfake_serving.contracts.video import Aggregation, Shot, Track, TrackFrame
from deepfake_serving.video.aggregate import (
    aggregate,
    confident,
    fake_frame_ratio,
    highest_faces,
    mean,
)

THRESHOLDS = Thresholds()
AGGREGATIONS: tuple[Aggregation, ...] = get_args(Aggregation)


def track(*faces: float, start_s: float = 0.0) -> Track:
    probability, spread = mean(faces)
    assert probability is not None
    assert spread is not None
    frames = [TrackFrame(start_s + i, [0, 0, 1, 1], p) for i, p in enumerate(faces)]
    return Track("1", THRESHOLDS.label(probability), probability, spread, frames)


def shot(*tracks: Track) -> Shot:
    return Shot(0, 1, "real", None, list(tracks))


probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=20)
videos = st.lists(
    st.lists(probabilities, max_size=3).map(lambda tracks: shot(*(track(*t) for t in tracks))),
    max_size=4,
)


def test_shots_returns_the_highest_mean_of_a_track() -> None:
    video = [shot(track(0.2, 0.4), track(0.9, 0.7)), shot(), shot(track(0.1))]
    assert aggregate(video, "shots", THRESHOLDS) == pytest.approx((0.8, 0.1))


def test_mean_averages_over_every_face() -> None:
    video = [shot(track(0.2, 0.4), track(0.9)), shot(track(0.1))]
    faces = [0.2, 0.4, 0.9, 0.1]
    expected = (np.mean(faces), np.std(faces))
    assert aggregate(video, "mean", THRESHOLDS) == pytest.approx(expected, abs=1e-6)


def test_confident_averages_the_confident_fakes_if_there_are_many() -> None:
    assert confident([0.9] * 12 + [0.1] * 12) == [0.9] * 12
    assert confident([0.9] * 11 + [0.1] * 11) == [0.9] * 11 + [0.1] * 11
    assert confident([0.1] * 19 + [0.5]) == [0.1] * 19
    assert confident([0.1] * 9 + [0.5]) == [0.1] * 9 + [0.5]


@pytest.mark.parametrize(
    "faces",
    [
        [0.9] * 12 + [0.1] * 18,  # two fifths
        [0.9] * 11 + [0.8, 0.5],
        [0.1] * 18 + [0.2, 0.5],
    ],
)
def test_all_faces_count_if_the_confident_ones_are_just_too_few(faces: list[float]) -> None:
    assert confident(faces) == faces


def test_the_fake_frame_ratio_uses_the_highest_face_of_a_frame() -> None:
    video = [shot(track(0.9, 0.9, 0.1, 0.1), track(0.1, 0.1, 0.1, 0.61))]
    assert highest_faces(video) == [0.9, 0.9, 0.1, 0.61]
    assert fake_frame_ratio(video, THRESHOLDS) == 0.75
    assert aggregate(video, "fake_frame_ratio", THRESHOLDS).probability == 0.75


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_without_faces_there_is_no_score(aggregation: Aggregation) -> None:
    assert aggregate([], aggregation, THRESHOLDS) == (None, None)
    assert aggregate([shot()], aggregation, THRESHOLDS) == (None, None)
    assert fake_frame_ratio([shot()], THRESHOLDS) is None


@given(video=videos, aggregation=st.sampled_from(AGGREGATIONS))
def test_every_aggregation_lies_between_the_lowest_and_highest_face(
    video: list[Shot], aggregation: Aggregation
) -> None:
    faces = [face.fake_probability for s in video for t in s.tracks for face in t.frames]
    probability, spread = aggregate(video, aggregation, THRESHOLDS)
    if not faces:
        assert probability is None
        return
    assert probability is not None
    assert spread is not None
    assert 0 <= spread <= 0.5 + 1e-6
    assert 0 <= probability <= 1
    if aggregation != "fake_frame_ratio":
        assert min(faces) - 1e-6 <= probability <= max(faces) + 1e-6


@given(
    video=videos.filter(lambda v: any(s.tracks for s in v)),
    aggregation=st.sampled_from(AGGREGATIONS),
)
def test_the_order_of_shots_and_tracks_does_not_matter(
    video: list[Shot], aggregation: Aggregation
) -> None:
    reversed_video = [shot(*reversed(each.tracks)) for each in reversed(video)]
    a, b = (
        aggregate(video, aggregation, THRESHOLDS),
        aggregate(reversed_video, aggregation, THRESHOLDS),
    )
    assert a.probability == pytest.approx(b.probability, abs=2e-6)


@given(low=st.floats(0, 1), rest=probabilities)
def test_a_higher_face_never_lowers_the_highest_track(low: float, rest: list[float]) -> None:
    before = aggregate([shot(track(*rest))], "shots", THRESHOLDS).probability
    after = aggregate([shot(track(*rest), track(low))], "shots", THRESHOLDS).probability
    assert before is not None
    assert after is not None
    assert after >= before


def test_labels_follow_the_thresholds() -> None:
    labels = [THRESHOLDS.label(p) for p in (0.0, 0.399999, 0.4, 0.6, 0.600001, 1.0, None)]
    assert labels == ["real", "real", "suspicious", "suspicious", "fake", "fake", "no_face"]
