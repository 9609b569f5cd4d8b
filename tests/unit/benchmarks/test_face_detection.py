"""Counts of the face detector comparison."""

from __future__ import annotations

import numpy as np

from benchmarks.data.scenes import Portrait, group, scenes
from benchmarks.data.scenes import astronaut as portrait
from benchmarks.face_detection import Boxes, Find, compare, ious, matches, turn
from model_handlers.pipeline.decode import Pixels

IMAGE = np.zeros((500, 500, 3), np.uint8)


def boxes(*rows: tuple[float, float, float, float]) -> Boxes:
    return np.array(rows, np.float64).reshape(-1, 4)


def test_overlap_is_intersection_over_union() -> None:
    found = ious(boxes((0, 0, 10, 10)), boxes((0, 0, 10, 10), (5, 0, 15, 10), (20, 20, 30, 30)))
    np.testing.assert_allclose(found, [[1, 1 / 3, 0]])


def test_a_box_matches_one_face_only() -> None:
    twice = boxes((0, 0, 100, 100), (5, 5, 105, 105))
    assert matches(twice, boxes((0, 0, 100, 100))) == 1
    assert matches(twice, twice) == 2
    assert matches(twice, boxes()) == 0


def test_faces_under_40_px_are_ignored_for_both_detectors() -> None:
    def finds(*rows: tuple[float, float, float, float]) -> Find:
        return lambda image: boxes(*rows)

    large, small = (0, 0, 50, 50), (200, 200, 230, 230)
    counts = compare(iter([(IMAGE, None)]), finds(large, small), finds(large))
    assert (counts.reference, counts.ours, counts.shared, counts.kept) == (1, 1, 1, 1.0)


def test_false_positives_are_counted_where_the_faces_are_known() -> None:
    face, other, nothing = (0, 0, 50, 50), (100, 100, 160, 160), (300, 300, 380, 380)
    counts = compare(
        iter([(IMAGE, boxes(face, other))]),
        lambda _: boxes(face, other, nothing),
        lambda _: boxes(face),
    )
    assert (counts.known, counts.reference, counts.ours, counts.shared) == (2, 2, 1, 1)
    assert (counts.false_reference, counts.false_ours, counts.kept) == (1, 0, 0.5)


def test_boxes_are_clipped_to_the_image_before_comparison() -> None:
    counts = compare(
        iter([(IMAGE, None)]),
        lambda _: boxes((-300, -300, 200, 200)),
        lambda _: boxes((0, 0, 200, 200)),
    )
    assert counts.kept == 1


def shows(image: Pixels, box: tuple[float, ...]) -> bool:
    x1, y1, x2, y2 = (round(side) for side in box)
    return bool(image[y1:y2, x1:x2].std() > 30)


def test_scenes_contain_a_face_in_each_stated_box() -> None:
    generated = list(scenes([portrait()], 10))
    assert [s.name for s in generated] == [s.name for s in scenes([portrait()], 10)]
    sides = [max(b[2] - b[0], b[3] - b[1]) for s in generated for b in s.boxes]
    assert min(sides) >= 39
    assert max(sides) <= 401
    assert all(shows(s.pixels, tuple(b)) for s in generated for b in s.boxes)


def test_a_group_has_the_given_number_of_faces() -> None:
    scene = group([portrait()], 20, (1920, 1080))
    assert scene.pixels.shape == (1080, 1920, 3)
    assert len(scene.boxes) == 20
    assert (scene.boxes >= 0).all()
    assert (scene.boxes[:, 2] <= 1920).all()
    assert matches(scene.boxes, scene.boxes) == 20


def test_a_turned_portrait_has_its_box_around_the_same_pixels() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    image[10:30, 20:50] = 255
    for turns in range(4):
        pixels, [box] = turn(Portrait(image, (20, 10, 50, 30)), turns)
        x1, y1, x2, y2 = box.astype(int)
        assert pixels[y1:y2, x1:x2].all()
        assert pixels.sum() == pixels[y1:y2, x1:x2].sum()
