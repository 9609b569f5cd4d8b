"""Cuts between shots, found in real frames, and frames gathered by them."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.video.collect import Collector, ScoredFrame, ShotFrames
from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.shots import Cuts
from tests.unit.video.conftest import pan

RATE = 24.0
SMALL = np.zeros((2, 2, 3), np.uint8)


def cuts(frames: list[Pixels], shortest_s: float = 1.5, rate: float = RATE) -> list[float]:
    finder = Cuts(rate, shortest_s)
    found = [finder.feed(frame, index / rate) for index, frame in enumerate(frames)]
    return [t_s for t_s in found if t_s is not None]


def test_cuts_are_found_at_the_first_frame_of_the_new_shot(
    astronaut: Pixels, no_face: Pixels
) -> None:
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    frames = pan(astronaut, 48) + pan(no_face, 60) + pan(mirrored, 48)
    assert cuts(frames) == pytest.approx([48 / RATE, 108 / RATE], abs=1e-4)


def test_a_fast_pan_and_a_fade_of_light_are_no_cuts(astronaut: Pixels) -> None:
    large = cv2.resize(astronaut, (1024, 1024))
    fast = pan(large, 48, (0, 0), (14, 10))
    dark = [cv2.convertScaleAbs(fast[-1], alpha=1 - i / 60) for i in range(48)]
    assert cuts(fast + dark) == []


def test_shots_shorter_than_the_bound_are_joined(astronaut: Pixels, no_face: Pixels) -> None:
    frames = pan(astronaut, 48) + pan(no_face, 12) + pan(astronaut, 48)
    assert cuts(frames) == pytest.approx([48 / RATE], abs=1e-4)
    assert cuts(frames, 0.2) == pytest.approx([48 / RATE, 60 / RATE], abs=1e-4)


def test_a_short_shot_at_the_start_is_joined_to_the_next(
    astronaut: Pixels, no_face: Pixels
) -> None:
    assert cuts(pan(no_face, 12) + pan(astronaut, 48)) == []


def gathered(
    times: list[float], cut_s: list[float], end_s: float, late: int = 0, per_shot: int = 64
) -> list[ShotFrames]:
    """Frames at `times`; each cut is told `late` frames after its first one."""
    collector, takes, waiting = Collector(1.5, per_shot), [], list(cut_s)
    for index, t_s in enumerate(times):
        takes += collector.add(ScoredFrame(t_s, SMALL, []))
        if waiting and times[max(0, index - late)] >= waiting[0]:
            takes += collector.cut(waiting.pop(0))
    return takes + collector.end(end_s)


def spans(takes: list[ShotFrames]) -> list[tuple[float, float, list[float]]]:
    return [(take.start_s, take.end_s, [seen.t_s for seen in take.seen]) for take in takes]


@pytest.mark.parametrize("late", [0, 1])
def test_frames_go_to_the_shot_of_their_time_also_when_the_cut_is_told_late(late: int) -> None:
    times = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert spans(gathered(times, [2.0], 6.0, late)) == [
        (0.0, 2.0, [0.0, 1.0]),
        (2.0, 6.0, [2.0, 3.0, 4.0, 5.0]),
    ]


def test_a_short_shot_at_the_end_is_joined_to_the_one_before() -> None:
    times = [0.0, 1.0, 2.0, 3.0]
    assert spans(gathered(times, [2.0], 3.4)) == [(0.0, 3.4, times)]
    assert len(gathered(times, [2.0], 3.5)) == 2


@given(
    count=st.integers(1, 60),
    gaps=st.lists(st.floats(1.5, 9), max_size=6),
    late=st.integers(0, 2),
    per_shot=st.integers(2, 64),
)
def test_no_frame_is_lost_but_by_thinning(
    count: int, gaps: list[float], late: int, per_shot: int
) -> None:
    times = [i * 0.4 for i in range(count)]
    ends = [float(t) for t in np.cumsum(gaps) if t < times[-1]]
    takes = gathered(times, ends, count * 0.4, late, per_shot)
    assert takes[0].start_s == 0.0
    assert takes[-1].end_s == count * 0.4
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(takes))
    for take in takes:
        assert len(take.seen) <= per_shot
        assert all(take.start_s <= seen.t_s < take.end_s for seen in take.seen)
    if count <= per_shot:
        assert [seen.t_s for take in takes for seen in take.seen] == times
