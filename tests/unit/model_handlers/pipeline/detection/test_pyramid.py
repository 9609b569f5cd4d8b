"""Positions and contents of the levels, and crops from halved images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detection.mipmap import Mipmap
from model_handlers.pipeline.detection.pyramid import CELL, build_layout

FACTOR = 0.709


@given(
    width=st.integers(1, 2000),
    height=st.integers(1, 2000),
    least=st.floats(20, 500),
    factor=st.floats(0.11, 0.94),
)
def test_levels_do_not_overlap_and_start_at_even_offsets(
    width: int, height: int, least: float, factor: float
) -> None:
    layout = build_layout(width, height, least, factor)
    taken = np.zeros((layout.height, layout.width), bool)
    for level in layout.levels:
        assert level.left % 2 == level.top % 2 == 0
        assert min(level.width, level.height) >= CELL
        right, bottom = (
            start + side + side % 2
            for start, side in ((level.left, level.width), (level.top, level.height))
        )
        assert right <= layout.width
        assert bottom <= layout.height
        here = taken[level.top : bottom, level.left : right]
        assert not here.any()
        here[:] = True


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (720, 1280), (512, 512), (300, 400)])
def test_most_of_the_canvas_is_used(width: int, height: int) -> None:
    layout = build_layout(width, height, 40, FACTOR)
    used = sum(level.width * level.height for level in layout.levels)
    assert used > 0.75 * layout.width * layout.height


def test_level_scales_cover_the_smallest_to_the_largest_face() -> None:
    layout = build_layout(640, 480, 40, FACTOR)
    scales = [level.scale for level in layout.levels]
    assert CELL / 40 <= scales[0] < CELL / 40 / FACTOR
    np.testing.assert_allclose(np.divide(scales[1:], scales[:-1]), FACTOR)
    assert scales[-1] * 480 >= CELL > scales[-1] * 480 * FACTOR


def test_levels_for_a_larger_min_face_are_a_subset() -> None:
    """So detections do not depend on the first level of the pyramid."""
    fine, coarse = (build_layout(1000, 800, least, FACTOR).levels for least in (20, 90))
    assert [level.scale for level in fine][-len(coarse) :] == [level.scale for level in coarse]
    assert len(fine) > len(coarse)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (11, 500), (39, 39)])
def test_an_image_smaller_than_the_smallest_face_has_no_level(width: int, height: int) -> None:
    assert build_layout(width, height, 40, FACTOR).levels == ()


def test_every_level_shows_the_whole_image(astronaut: Pixels) -> None:
    layout = build_layout(512, 512, 40, FACTOR)
    canvas = Mipmap(astronaut).canvas(layout)[0]
    assert canvas.shape == (layout.height, layout.width, 3)
    for level in layout.levels:
        shown = canvas[level.top :, level.left :][: level.height, : level.width]
        size = level.width, level.height
        expected = cv2.resize(astronaut, size, interpolation=cv2.INTER_AREA)
        assert np.abs(shown.astype(int) - expected).mean() < 8


def test_an_odd_level_repeats_its_border(astronaut: Pixels) -> None:
    layout = build_layout(512, 512, 40, FACTOR)
    canvas = Mipmap(astronaut).canvas(layout)[0]
    odd = [level for level in layout.levels if level.width % 2 and level.height % 2]
    assert odd
    for level in odd:
        rows = slice(level.top, level.top + level.height)
        columns = slice(level.left, level.left + level.width)
        behind, below = level.left + level.width, level.top + level.height
        np.testing.assert_array_equal(canvas[rows, behind], canvas[rows, behind - 1])
        np.testing.assert_array_equal(canvas[below, columns], canvas[below - 1, columns])


# Crops -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "box",
    [(0, 0, 512, 512), (100, 50, 148, 98), (3, 7, 511, 300), (200, 200, 223, 231), (0, 0, 1, 1)],
    ids=str,
)
@pytest.mark.parametrize("size", [24, 48])
def test_a_crop_is_the_resized_region(
    box: tuple[int, int, int, int], size: int, astronaut: Pixels
) -> None:
    (cut,) = Mipmap(astronaut).crops(np.array([box], np.int64), size)
    x1, y1, x2, y2 = box
    part = astronaut[y1:y2, x1:x2]
    method = cv2.INTER_AREA if min(part.shape[:2]) >= size else cv2.INTER_LINEAR
    expected = cv2.resize(part, (size, size), interpolation=method)
    assert np.abs(cut.astype(int) - expected).mean() < 8


def test_crops_keep_their_order_whatever_their_sizes(astronaut: Pixels) -> None:
    boxes = np.array([[0, 0, 400, 400], [10, 10, 40, 40], [50, 60, 300, 310], [9, 9, 39, 39]])
    image = Mipmap(astronaut)
    together = image.crops(boxes, 24)
    for box, cut in zip(boxes, together, strict=True):
        np.testing.assert_array_equal(cut, image.crops(box[None], 24)[0])


def test_thousands_of_crops_do_not_exceed_the_size_limit_of_opencv(astronaut: Pixels) -> None:
    boxes = np.tile(np.array([[100, 100, 150, 150]]), (3000, 1))
    cuts = Mipmap(astronaut).crops(boxes, 24)
    assert len(cuts) == 3000
    assert (cuts == cuts[0]).all()


def test_an_image_longer_than_the_limit_of_opencv_is_cropped() -> None:
    image = np.zeros((60, 70_000, 3), np.uint8)
    image[:, 69_940:] = 200
    left, right = Mipmap(image).crops(np.array([[0, 0, 60, 60], [69_940, 0, 70_000, 60]]), 24)
    assert left.max() == 0
    assert right.min() > 150


def test_no_boxes_give_no_crops(astronaut: Pixels) -> None:
    assert Mipmap(astronaut).crops(np.zeros((0, 4), np.int64), 24).shape == (0, 24, 24, 3)
