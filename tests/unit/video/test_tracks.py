"""Linking of scripted face boxes into tracks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.video.tracks import Boxes, link, without_rare


def box(x: float, y: float, side: float = 100) -> list[float]:
    return [x, y, x + side, y + side]


def boxes(*found: list[float]) -> Boxes:
    return np.array(found, np.float64).reshape(-1, 4)


def every(count: int, step_s: float = 1 / 6) -> list[float]:
    return [i * step_s for i in range(count)]


def test_two_faces_are_two_tracks_in_any_order() -> None:
    frames = [boxes(box(0, 0), box(200, 0)), boxes(box(203, 2), box(4, 1)), boxes(box(8, 2))]
    assert link(every(3), frames) == [[(0, 0), (1, 1), (2, 0)], [(0, 1), (1, 0)]]


def test_faces_that_pass_each_other_keep_their_tracks() -> None:
    frames = [boxes(box(i * 40, 0), box(600 - i * 40, 60)) for i in range(16)]
    tracks = link(every(16), frames)
    assert tracks == [[(i, 0) for i in range(16)], [(i, 1) for i in range(16)]]


def test_a_fast_face_is_followed_by_its_velocity() -> None:
    frames = [boxes(box(i * i * 12, 0)) for i in range(12)]  # up to 2.5 box widths per frame
    assert len(link(every(12), frames)) == 1


def test_a_missing_face_is_expected_where_half_a_second_would_take_it() -> None:
    """It may have stopped: a second at its velocity would take it twice as far."""
    moving, none = [boxes(box(x, 0)) for x in (0, 100, 200)], boxes()
    for x, tracks in ((350, 2), (500, 1), (800, 2)):
        assert len(link(every(9), [*moving, *[none] * 5, boxes(box(x, 0))])) == tracks


def test_a_face_that_starts_moving_suddenly_is_followed() -> None:
    assert len(link(every(2), [boxes(box(0, 0)), boxes(box(110, 0))])) == 1


def test_a_face_keeps_its_track_only_over_a_short_gap() -> None:
    seen, none = boxes(box(10, 10)), boxes()
    assert len(link(every(10), [seen, seen, *[none] * 6, seen, seen])) == 1
    assert len(link(every(30), [seen, seen, *[none] * 26, seen, seen])) == 2


def test_sparse_frames_allow_longer_gaps() -> None:
    seen, none = boxes(box(10, 10)), boxes()
    assert len(link(every(4, 30.0), [seen, none, seen, seen])) == 1


def test_a_face_at_a_distance_is_another_track() -> None:
    assert len(link(every(2), [boxes(box(0, 0)), boxes(box(500, 300))])) == 2


def test_frames_without_faces_have_no_tracks() -> None:
    assert link([], []) == []
    assert link(every(3), [boxes()] * 3) == []


@given(
    st.lists(
        st.lists(st.tuples(st.floats(0, 900), st.floats(0, 900), st.floats(1, 300)), max_size=5),
        max_size=12,
    )
)
def test_every_face_is_in_one_track_with_one_face_per_frame(
    found: list[list[tuple[float, float, float]]],
) -> None:
    frames = [boxes(*(box(*face) for face in faces)) for faces in found]
    tracks = link(every(len(frames)), frames)
    indexes = [index for track in tracks for index in track]
    assert sorted(indexes) == [(i, j) for i, faces in enumerate(found) for j in range(len(faces))]
    for track in tracks:
        order = [frame for frame, _ in track]
        assert order == sorted(set(order))


def track(length: int) -> list[tuple[int, int]]:
    return [(i, 0) for i in range(length)]


def test_tracks_of_less_than_a_fifth_of_the_frames_are_dropped() -> None:
    assert without_rare([track(60), track(12), track(11)], 60) == [track(60), track(12)]


def test_the_track_of_a_passing_person_is_kept() -> None:
    assert without_rare([track(9), track(2)], 60) == [track(9)]


def test_single_false_positives_are_dropped_even_without_other_tracks() -> None:
    assert without_rare([track(1), track(2)], 60) == []


def test_one_frame_is_enough_in_a_short_shot() -> None:
    assert without_rare([track(1)], 1) == [track(1)]
    assert without_rare([track(1), track(4)], 5) == [track(1), track(4)]


def test_a_single_weak_face_among_several_frames_is_dropped() -> None:
    assert without_rare([track(1), track(2)], 5, lambda _: True) == [track(2)]
    assert without_rare([track(1)], 1, lambda _: True) == [track(1)]
