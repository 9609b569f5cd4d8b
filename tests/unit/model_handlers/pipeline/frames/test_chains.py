"""Chains of faces: through alike frames of one video, and never across a cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_handlers.items import Options
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.face import Face, FoundFaces
from model_handlers.pipeline.frames.chains import face_chains

FRAME = Options(follow=True)
GREY = np.full((120, 160, 3), 128, np.uint8)


def face(x: float, confidence: float = 0.999) -> Face:
    """Returns a face of 40 pixels with plausible landmarks."""
    relative = ((12, 14), (28, 14), (20, 22), (14, 30), (26, 30))
    marks = tuple((x + dx, 20.0 + dy) for dx, dy in relative)
    return Face((x, 20, x + 40, 60), marks, confidence)


def chains(
    *faces: Sequence[Face],
    images: Sequence[Pixels] | None = None,
    options: Sequence[Options] | None = None,
) -> list[list[int]]:
    count = len(faces)
    found = [FoundFaces(list(each), 0) for each in faces]
    return face_chains(images or [GREY] * count, found, options or [FRAME] * count)


def test_a_face_that_hardly_moves_is_one_chain() -> None:
    assert chains([face(10)], [face(14)], [face(18)]) == [[0, 1, 2]]


def test_two_faces_are_two_chains_in_whatever_order_they_are_found() -> None:
    assert chains([face(10), face(90)], [face(92), face(12)]) == [[0, 3], [1, 2]]


def test_a_face_elsewhere_begins_a_chain() -> None:
    assert chains([face(10)], [face(80)]) == [[0], [1]]


def test_one_face_continues_no_two() -> None:
    assert chains([face(10)], [face(12), face(20)]) == [[0, 1], [2]]


def test_a_chain_ends_where_the_face_is_uncertain_or_missing() -> None:
    assert chains([face(10)], [face(10, 0.95)], [face(10)]) == [[0], [1], [2]]
    assert chains([face(10)], [], [face(10)]) == [[0], [1]]


def test_a_chain_ends_at_a_cut() -> None:
    images = [GREY, GREY, GREY // 2, GREY // 2]
    assert chains(*[[face(10)]] * 4, images=images) == [[0, 1], [2, 3]]


def test_frames_of_two_requests_or_sizes_are_of_two_videos() -> None:
    other = Options(follow=True, request=1)
    assert chains([face(10)], [face(10)], options=[FRAME, other]) == [[0], [1]]
    assert chains([face(10)], [face(10)], images=[GREY, GREY[:100]]) == [[0], [1]]


def test_images_that_are_no_frames_have_no_chains() -> None:
    assert chains([face(10)], [face(10)], options=[Options()] * 2) == [[0], [1]]
