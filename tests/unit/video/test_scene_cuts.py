"""Scene cuts in real frames, and frames collected into shots."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.scene_cuts import SceneCutDetector
from deepfake_serving.video.shot_collector import ScoredFrame, ShotCollector, ShotFrames
from tests.unit.video.conftest import pan

RATE = 24.0
SMALL = np.zeros((2, 2, 3), np.uint8)


def cut_times(frames: list[Pixels], min_shot_s: float = 1.5, rate: float = RATE) -> list[float]:
    detector = SceneCutDetector(rate, min_shot_s)
    found = [detector.feed(frame, index / rate) for index, frame in enumerate(frames)]
    return [t_s for t_s in found if t_s is not None]


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


def test_shorter_shots_are_merged(astronaut: Pixels, no_face: Pixels) -> None:
    frames = pan(astronaut, 48) + pan(no_face, 12) + pan(astronaut, 48)
    assert cut_times(frames) == pytest.approx([48 / RATE], abs=1e-4)
    assert cut_times(frames, 0.2) == pytest.approx([48 / RATE, 60 / RATE], abs=1e-4)


def test_a_short_first_shot_is_merged_with_the_next(astronaut: Pixels, no_face: Pixels) -> None:
    assert cut_times(pan(no_face, 12) + pan(astronaut, 48)) == []


def collected(
    times: list[float], cut_s: list[float], end_s: float, late: int = 0, per_shot: int = 64
) -> list[ShotFrames]:
    """Adds frames at `times`, and each cut `late` frames after the first frame of its shot."""
    collector, shots, pending = ShotCollector(1.5, per_shot), [], list(cut_s)
    for index, t_s in enumerate(times):
        shots += collector.add(ScoredFrame(t_s, SMALL, []))
        if pending and times[max(0, index - late)] >= pending[0]:
            shots += collector.cut(pending.pop(0))
    return shots + collector.end(end_s)


def spans(shots: list[ShotFrames]) -> list[tuple[float, float, list[float]]]:
    return [(shot.start_s, shot.end_s, [frame.t_s for frame in shot.frames]) for shot in shots]


@pytest.mark.parametrize("late", [0, 1])
def test_frames_belong_to_the_shot_of_their_time_even_if_the_cut_is_late(late: int) -> None:
    times = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert spans(collected(times, [2.0], 6.0, late)) == [
        (0.0, 2.0, [0.0, 1.0]),
        (2.0, 6.0, [2.0, 3.0, 4.0, 5.0]),
    ]


def test_a_short_last_shot_is_merged_with_the_previous() -> None:
    times = [0.0, 1.0, 2.0, 3.0]
    assert spans(collected(times, [2.0], 3.4)) == [(0.0, 3.4, times)]
    assert len(collected(times, [2.0], 3.5)) == 2


@given(
    count=st.integers(1, 60),
    gaps=st.lists(st.floats(1.5, 9), max_size=6),
    late=st.integers(0, 2),
    per_shot=st.integers(2, 64),
)
def test_only_thinning_drops_frames(
    count: int, gaps: list[float], late: int, per_shot: int
) -> None:
    times = [i * 0.4 for i in range(count)]
    ends = [float(t) for t in np.cumsum(gaps) if t < times[-1]]
    shots = collected(times, ends, count * 0.4, late, per_shot)
    assert shots[0].start_s == 0.0
    assert shots[-1].end_s == count * 0.4
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(shots))
    for shot in shots:
        assert len(shot.frames) <= per_shot
        assert all(shot.start_s <= frame.t_s < shot.end_s for frame in shot.frames)
    if count <= per_shot:
        assert [frame.t_s for shot in shots for frame in shot.frames] == times
