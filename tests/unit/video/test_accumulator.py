"""Accumulated results: those of two parts are those of both together."""

from __future__ import annotations

from collections import Counter

import numpy as np

from deepfake_serving.contracts.problems import UndecodableMedia
from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.contracts.video import Shot
from deepfake_serving.video.accumulator import VideoAccumulator
from deepfake_serving.video.isolation.messages import VideoSummary
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.people.grouping import TrackIdentity
from tests.support.console_warnings import translated


def filled() -> VideoAccumulator:
    """Returns one in which no field has its default."""
    return VideoAccumulator(
        similarity=None,
        shots=[Shot(0.0, 2.0, "no_face", None, [], "shot-1.jpg")],
        image_names=["shot-1.jpg"],
        sampled=1,
        frames=2,
        rare_tracks=3,
        crowded_frames=4,
        empty_shots=5,
        failed_frames=6,
        last_problem=UndecodableMedia("broken"),
        model=ModelRef("detector", "1.0", None, True),
        identities=[TrackIdentity(np.ones(2, np.float32), frozenset({0.0}))],
        left_out=Counter({("b", "overloaded"): 7}),
        without_heatmaps={"no heatmaps of b: its network has none": None},
    )


def test_an_empty_part_changes_nothing_before_or_after() -> None:
    part, first = filled(), VideoAccumulator()
    first.append(part)
    assert first == part
    part.append(VideoAccumulator())
    assert part == first


def test_the_console_knows_the_warnings_of_a_video() -> None:
    verdict = filled().verdict(VideoSummary(), (64, 48), {}, VideoOptions())
    assert "faces seen too briefly to be scored: 3" in verdict.warnings
    assert [w for w in verdict.warnings if not translated(w)] == []


def test_counts_add_up_and_shots_are_numbered_on() -> None:
    both = filled()
    both.append(filled())
    assert (both.sampled, both.frames, both.rare_tracks) == (2, 4, 6)
    assert (both.crowded_frames, both.empty_shots, both.failed_frames) == (8, 10, 12)
    assert both.left_out == {("b", "overloaded"): 14}
    assert [shot.strip for shot in both.shots] == both.image_names == ["shot-1.jpg", "shot-2.jpg"]
