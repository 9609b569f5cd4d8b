"""Faces followed through the frames of a video: as good as detected, and never across a cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from model_handlers.backends.openvino import build_cascade
from model_handlers.items import Options
from model_handlers.manifest import FacesSpec
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.face import FoundFaces
from model_handlers.pipeline.faces import FaceDetector
from model_handlers.pipeline.frames.following import FaceFollower, find_faces
from tests.support.videos import pan, two_faces


class CountingDetector(FaceDetector):
    """Counts the frames in which faces are searched."""

    searches = 0

    def find(self, images: Sequence[Pixels], turned: bool = True) -> list[FoundFaces]:
        self.searches += len(images)
        return super().find(images, turned)


@pytest.fixture
def detector(unpacked: Callable[[str], Path]) -> CountingDetector:
    return CountingDetector(FacesSpec(), build_cascade(unpacked("faces"), threads=1))


def follow(detector: CountingDetector, frames: Sequence[Pixels]) -> tuple[list[int], int]:
    """Follows faces and compares them with detected ones.

    Returns:
        The number of faces in each frame, and the number of frames that were searched.
    """
    detected = detector.find(frames)
    detector.searches = 0
    followed = FaceFollower(detector).find(frames)
    for one, other in zip(followed, detected, strict=True):
        assert len(one.faces) == len(other.faces)
        for face in one.faces:
            assert max(face.overlap(expected) for expected in other.faces) > 0.8
            assert face.confidence > 0.99
    return [len(each.faces) for each in followed], detector.searches


def test_a_moving_face_is_searched_in_every_fourth_frame(
    detector: CountingDetector, astronaut: Pixels
) -> None:
    frames = pan(astronaut, 9, step=(4, 2))
    assert follow(detector, frames) == ([1] * 9, 3)


def test_two_faces_are_followed(detector: CountingDetector, astronaut: Pixels) -> None:
    assert follow(detector, two_faces(astronaut, 8)) == ([2] * 8, 2)


def test_after_a_cut_new_faces_are_found_beside_one_in_the_same_place(
    detector: CountingDetector, astronaut: Pixels
) -> None:
    [both] = two_faces(astronaut, 1)
    alone = both.copy()
    alone[:, 240:] = 255
    assert follow(detector, [alone, alone, both, both]) == ([1, 1, 2, 2], 2)


def test_a_face_that_leaves_is_not_seen_where_it_was(
    detector: CountingDetector, astronaut: Pixels
) -> None:
    """The background stays, so that the frames are alike."""
    frame = np.array(astronaut[:300])
    hidden = frame.copy()
    hidden[50:190, 170:280] = cv2.GaussianBlur(frame, (0, 0), 40)[50:190, 170:280]
    assert follow(detector, [frame, frame, hidden, hidden]) == ([1, 1, 0, 0], 3)


def test_frames_without_a_face_are_all_searched(detector: CountingDetector) -> None:
    frames = [skimage.data.coffee()[:240, :320]] * 5
    assert follow(detector, frames) == ([0] * 5, 5)


def test_a_face_that_jumps_is_searched(detector: CountingDetector, astronaut: Pixels) -> None:
    """Faster than a head moves: its old box has no face, or an uncertain one."""
    frames = pan(astronaut, 4, start=(20, 0), step=(30, 0))
    counts, searches = follow(detector, frames)
    assert counts == [1] * 4
    assert searches > 1


def test_more_faces_than_the_limit_are_searched(
    detector: CountingDetector, astronaut: Pixels
) -> None:
    detector.spec = FacesSpec(max_faces=1)
    frames = two_faces(astronaut, 3)
    assert follow(detector, frames) == ([1] * 3, 3)


def test_faces_are_followed_within_a_request_and_a_size_only(
    detector: CountingDetector, astronaut: Pixels
) -> None:
    frames = pan(astronaut, 3)
    first, second, image = (
        Options(follow=True, request=0),
        Options(follow=True, request=1),
        Options(request=2),
    )
    small = [np.ascontiguousarray(frame[:230]) for frame in frames[:2]]
    images = [*frames, *frames, *small, frames[0], frames[0]]
    options = [first] * 3 + [second] * 5 + [image] * 2
    found = find_faces(detector, images, options)
    assert [len(each.faces) for each in found] == [1] * 10
    assert detector.searches == 3 + 2
