"""Scene cuts in real frames, and frames collected into shots."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.scene_cuts import WINDOW, SceneCut, SceneCutDetector
from deepfake_serving.video.shot_collector import ScoredFrame, ShotCollector, ShotFrames
from tests.unit.video.conftest import pan

RATE = 24.0
SMALL = np.zeros((2, 2, 3), np.uint8)


def cut_times(frames: list[Pixels], rate: float = RATE) -> list[float]:
    detector = SceneCutDetector()
    found = [detector.feed(frame) for frame in frames]
    return [(index - WINDOW) / rate for index, is_cut in enumerate(found) if is_cut]


def test_cuts_are_found_at_the_first_frame_of_the_new_shot(
    astronaut: Pixels, no_face: Pixels
) -> None:
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    frames = pan(astronaut, 48) + pan(no_face, 60) + pan(mirrored, 48)
    assert cut_times(frames) == pytest.approx([48 / RATE, 108 / RATE], abs=1e-4)


def test_fast_pans_and_fades_are_not_cuts(astronaut: Pixels) -> None:
    large = cv2.resize(astronaut, (1024, 1024))
    fast = pan(large, 48, (0, 0), (14, 10))
    dark = [cv2.convertScaleAbs(fast[-1], alpha=1 - i / 60) for i in range(48)]
    assert cut_times(fast + dark) == []


def test_cuts_close_to_each_other_are_detected(astronaut: Pixels, no_face: Pixels) -> None:
    frames = pan(no_face, 12) + pan(astronaut, 12) + pan(no_face, 12) + pan(astronaut, 48)
    assert cut_times(frames) == [12 / RATE, 24 / RATE, 36 / RATE]


def test_a_change_of_exposure_is_no_cut(astronaut: Pixels) -> None:
    frames = pan(astronaut, 96)
    dark = [cv2.convertScaleAbs(frame, alpha=0.4) for frame in frames[:48]]
    assert cut_times(dark + frames[48:]) == []


def test_a_keyframe_that_brings_detail_back_is_no_cut(astronaut: Pixels) -> None:
    """Strongly compressed video loses detail and colour in between."""
    frames = pan(astronaut, 96)
    lost = [cv2.cvtColor(cv2.blur(f, (9, 9)), cv2.COLOR_BGR2GRAY) for f in frames[:48]]
    grey = [cv2.cvtColor(f, cv2.COLOR_GRAY2BGR) for f in lost]
    assert cut_times(grey + frames[48:]) == []


def collected(
    times: list[float], cut_s: list[float], end_s: float, per_shot: int = 64
) -> list[ShotFrames]:
    """Adds frames at `times`, and each cut before the first frame of its shot."""
    collector, shots, pending = ShotCollector(1.5, per_shot), [], list(cut_s)
    for index, t_s in enumerate(times):
        while pending and t_s >= pending[0]:
            shots += collector.cut(SceneCut(pending.pop(0)))
        shots += collector.add(ScoredFrame(index, t_s, SMALL, []))
    return shots + collector.end(end_s)


def spans(shots: list[ShotFrames]) -> list[tuple[float, float, list[float]]]:
    return [(shot.start_s, shot.end_s, [frame.t_s for frame in shot.frames]) for shot in shots]


def test_frames_belong_to_the_shot_of_their_time() -> None:
    times = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert spans(collected(times, [2.0], 6.0)) == [
        (0.0, 2.0, [0.0, 1.0]),
        (2.0, 6.0, [2.0, 3.0, 4.0, 5.0]),
    ]


def test_a_short_last_shot_is_merged_with_the_previous() -> None:
    times = [0.0, 1.0, 2.0, 3.0]
    assert spans(collected(times, [2.0], 3.4)) == [(0.0, 3.4, times)]
    assert len(collected(times, [2.0], 3.5)) == 2


def test_a_cut_within_a_shot_begins_a_segment() -> None:
    times = [i / 4 for i in range(24)]
    first, second = collected(times, [1.0, 2.5, 3.0], 6.0)
    assert (first.start_s, first.end_s, second.end_s) == (0.0, 2.5, 6.0)
    assert [[f.t_s for f in part] for part in first.segments] == [times[:4], times[4:10]]
    assert [[f.t_s for f in part] for part in second.segments] == [times[10:12], times[12:]]


def test_a_merged_last_shot_is_a_segment() -> None:
    (shot,) = collected([0.0, 1.0, 2.0, 3.0], [2.0], 3.4)
    assert [[f.t_s for f in part] for part in shot.segments] == [[0.0, 1.0], [2.0, 3.0]]


def test_a_short_segment_is_not_thinned_by_a_long_one() -> None:
    times = [i / 4 for i in range(400)]
    (shot,) = collected(times, [1.0], 100.0, per_shot=8)
    assert [f.t_s for f in shot.segments[0]] == times[:4]
    assert len(shot.segments[1]) <= 8


@given(
    count=st.integers(1, 60),
    gaps=st.lists(st.floats(0.1, 9), max_size=6),
    per_shot=st.integers(2, 64),
)
def test_only_thinning_drops_frames(count: int, gaps: list[float], per_shot: int) -> None:
    times = [i * 0.4 for i in range(count)]
    ends = [float(t) for t in np.cumsum(gaps) if t < times[-1]]
    shots = collected(times, ends, count * 0.4, per_shot)
    assert shots[0].start_s == 0.0
    assert shots[-1].end_s == count * 0.4
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(shots))
    for shot in shots:
        assert all(len(segment) <= per_shot for segment in shot.segments)
        assert all(shot.start_s <= frame.t_s < shot.end_s for frame in shot.frames)
    if count <= per_shot:
        assert [frame.t_s for shot in shots for frame in shot.frames] == times
