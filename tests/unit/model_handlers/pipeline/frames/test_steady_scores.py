"""Steady scores: as few as possible where nothing changes, all of them where a verdict is open."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_handlers.manifest import ThresholdsSpec
from model_handlers.pipeline.calibration import Floats
from model_handlers.pipeline.frames.steady_scores import steady_scores

THRESHOLDS = ThresholdsSpec(suspicious_from=0.4, fake_above=0.6)


def scored(chains: list[list[int]], true: list[float]) -> tuple[list[float], list[int]]:
    """Returns the probabilities, and the faces that were scored."""
    scored_faces: list[int] = []

    def score(numbers: list[int]) -> Floats:
        scored_faces.extend(numbers)
        return np.array(true)[numbers]

    return steady_scores(chains, score, THRESHOLDS).tolist(), sorted(scored_faces)


@pytest.mark.parametrize("level", [0.1, 0.7])
def test_of_eight_alike_frames_three_are_scored(level: float) -> None:
    assert scored([list(range(8))], [level] * 8) == ([level] * 8, [0, 3, 7])


@pytest.mark.parametrize("level", [0.35, 0.4, 0.5, 0.6])
def test_every_frame_is_scored_where_the_verdict_is_not_clear(level: float) -> None:
    assert scored([list(range(8))], [level] * 8) == ([level] * 8, list(range(8)))


def test_frames_between_get_the_values_between() -> None:
    values, scored_faces = scored([[0, 1, 2, 3, 4]], [0.10, 0.9, 0.9, 0.9, 0.14])
    assert values == pytest.approx([0.10, 0.11, 0.12, 0.13, 0.14])
    assert scored_faces == [0, 4]


def test_a_change_is_found_where_it_is() -> None:
    true = [0.1] * 5 + [0.8] * 3
    assert scored([list(range(8))], true) == (true, [0, 3, 4, 5, 7])


@pytest.mark.parametrize("ends", [(0.10, 0.16), (0.7, 0.9)])
def test_between_clear_verdicts_that_differ_every_frame_is_scored(
    ends: tuple[float, float],
) -> None:
    true = [ends[0], 0.5, ends[1]]
    assert scored([[0, 1, 2]], true) == (true, [0, 1, 2])


def test_faces_of_still_images_are_all_scored_at_once() -> None:
    calls: list[list[int]] = []

    def score(numbers: list[int]) -> Floats:
        calls.append(numbers)
        return np.full(len(numbers), 0.1)

    steady_scores([[0], [1], [2]], score, THRESHOLDS)
    assert calls == [[0, 1, 2]]


def test_without_a_face_nothing_is_scored() -> None:
    assert scored([], []) == ([], [])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=16), st.integers(1, 3))
def test_no_face_is_scored_twice_and_scored_faces_keep_their_scores(
    true: list[float], step: int
) -> None:
    """With up to three chains, whose faces alternate."""
    chains = [list(range(first, len(true), step)) for first in range(min(step, len(true)))]
    values, scored_faces = scored(chains, true)
    assert len(set(scored_faces)) == len(scored_faces)
    assert all(values[number] == true[number] for number in scored_faces)
    assert all(min(true) <= value <= max(true) for value in values)
