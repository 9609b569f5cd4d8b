"""MTCNN's box arithmetic, compared with reference implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from facenet_pytorch.models.utils.detect_face import bbreg, nms_numpy, rerec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torchvision import ops

from model_handlers.pipeline.detection.boxes import Floats, nms, nms_min_area, regress, square


@st.composite
def boxes(draw: st.DrawFn, most: int = 30) -> Floats:
    count = draw(st.integers(0, most))
    sides = st.integers(0, 400).map(lambda quarter: quarter / 4)
    corners = draw(arrays(np.float32, (count, 2), elements=sides))
    sizes = draw(arrays(np.float32, (count, 2), elements=st.integers(4, 240).map(lambda q: q / 4)))
    return np.hstack([corners, corners + sizes]).astype(np.float32)


def distinct_scores(count: int) -> Floats:
    return (1 + np.random.default_rng(count).permutation(count).astype(np.float32)) / (count + 1)


def test_regress_moves_each_side_by_its_share_of_the_inclusive_size() -> None:
    moved = regress(
        np.array([[10, 20, 19, 39]], np.float32), np.array([[0.1, -0.1, 0.5, 0]], np.float32)
    )
    np.testing.assert_allclose(moved, [[11, 18, 24, 39]], rtol=1e-6)


@given(rows=boxes())
def test_regress_by_nothing_changes_nothing(rows: Floats) -> None:
    np.testing.assert_array_equal(regress(rows, np.zeros_like(rows)), rows)


@given(rows=boxes(), seed=st.integers(0, 100))
def test_regress_equals_facenet(rows: Floats, seed: int) -> None:
    offsets = np.random.default_rng(seed).normal(0, 0.3, rows.shape).astype(np.float32)
    expected = bbreg(torch.tensor(rows), torch.tensor(offsets)).numpy()
    np.testing.assert_allclose(regress(rows, offsets), expected, rtol=1e-5, atol=1e-3)


def test_square_grows_the_shorter_side_about_the_centre() -> None:
    squared = square(np.array([[0, 0, 10, 4], [5, 5, 6, 9]], np.float32))
    np.testing.assert_array_equal(squared, [[0, -3, 10, 7], [3.5, 5, 7.5, 9]])


@given(rows=boxes())
def test_square_equals_facenet(rows: Floats) -> None:
    expected = rerec(torch.tensor(rows)).numpy()
    np.testing.assert_allclose(square(rows), expected, rtol=1e-5, atol=1e-3)


@given(rows=boxes())
def test_square_keeps_centre_and_longer_side(rows: Floats) -> None:
    squared = square(rows)
    size = rows[:, 2:] - rows[:, :2]
    np.testing.assert_allclose(
        squared[:, 2] - squared[:, 0], size.max(axis=1, initial=0), atol=1e-3
    )
    np.testing.assert_allclose(
        squared[:, 3] - squared[:, 1], size.max(axis=1, initial=0), atol=1e-3
    )
    np.testing.assert_allclose(
        squared[:, :2] + squared[:, 2:], rows[:, :2] + rows[:, 2:], rtol=1e-5, atol=1e-3
    )


@given(rows=boxes(), threshold=st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))
def test_nms_equals_torchvision(rows: Floats, threshold: float) -> None:
    scores = distinct_scores(len(rows))
    expected = ops.nms(torch.tensor(rows), torch.tensor(scores), threshold).numpy()
    np.testing.assert_array_equal(nms(rows, scores, threshold), expected)


@given(rows=boxes(), threshold=st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))
def test_nms_by_smaller_area_equals_facenet(rows: Floats, threshold: float) -> None:
    scores = distinct_scores(len(rows))
    expected = nms_numpy(rows, scores, threshold, "Min").astype(int) if len(rows) else []
    np.testing.assert_array_equal(nms_min_area(rows, scores, threshold), expected)


@given(rows=boxes(), threshold=st.floats(0, 1), by_smaller=st.booleans())
def test_nms_keeps_the_best_and_orders_by_score(
    rows: Floats, threshold: float, by_smaller: bool
) -> None:
    scores = distinct_scores(len(rows))
    kept = (nms_min_area if by_smaller else nms)(rows, scores, threshold)
    assert kept.dtype == np.intp
    assert len(kept) == 0 or kept[0] == scores.argmax()
    assert (np.diff(scores[kept]) < 0).all()


@pytest.mark.parametrize(("by_smaller", "kept"), [(False, [0, 1]), (True, [0])])
def test_a_box_inside_another_is_suppressed_only_relative_to_the_smaller_area(
    by_smaller: bool, kept: list[int]
) -> None:
    rows = np.array([[0, 0, 100, 100], [40, 40, 60, 60]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    method = nms_min_area if by_smaller else nms
    np.testing.assert_array_equal(method(rows, scores, 0.7), kept)


def test_the_first_of_equal_scores_is_kept() -> None:
    rows = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    np.testing.assert_array_equal(nms(rows, np.full(3, 0.5, np.float32), 0.5), [0, 2])


def test_boxes_without_area_suppress_only_their_duplicates() -> None:
    rows = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [0, 0, 10, 10]], np.float32)
    kept = nms(rows, np.array([0.9, 0.8, 0.7], np.float32), 0.5)
    np.testing.assert_array_equal(kept, [0, 2])
