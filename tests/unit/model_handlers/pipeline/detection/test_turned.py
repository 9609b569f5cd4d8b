"""Faces that lie on their side, are upside down or lean: found, and cropped upright."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st

from model_handlers.backends.openvino import build_cascade
from model_handlers.items import Options
from model_handlers.manifest import CropSpec, FacesSpec
from model_handlers.pipeline import faces
from model_handlers.pipeline.crop import crop_face, upright_crop
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detection.turned import find_turns, merge, turn_back
from model_handlers.pipeline.face import Face
from model_handlers.pipeline.faces import FaceDetector
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask

SPEC = CropSpec(size=128)
CENTRE = (224, 128)


def leaning(image: Pixels, degrees: float) -> Pixels:
    """Turns the image clockwise about its face."""
    matrix = cv2.getRotationMatrix2D(CENTRE, -degrees, 1)
    size = (image.shape[1], image.shape[0])
    turned = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT_101)
    return turned.astype(np.uint8)


def largest(detector: FaceDetector, image: Pixels) -> Face:
    return detector.detect([image])[0][0]


def similarity(a: Pixels, b: Pixels) -> float:
    grey = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(float).ravel() for each in (a, b)]
    return float(np.corrcoef(*grey)[0, 1])


def test_upright_faces_are_not_changed(face_detector: FaceDetector, astronaut: Pixels) -> None:
    face = largest(face_detector, astronaut)
    assert face.confidence > 0.999
    assert abs(face.roll) < 20
    crop = upright_crop(astronaut, face.box, face.roll, SPEC)
    assert (crop == crop_face(astronaut, face.box, SPEC)).all()


@pytest.mark.parametrize(("turns", "roll"), [(1, -90), (3, 90)])
def test_a_face_rotated_by_90_degrees_is_detected(
    turns: int, roll: float, face_detector: FaceDetector, astronaut: Pixels
) -> None:
    portrait = astronaut[:256, 96:352]
    upright = largest(face_detector, portrait)
    sideways = np.ascontiguousarray(np.rot90(portrait, turns))
    face = largest(face_detector, leaning(astronaut, roll))
    assert face.confidence > 0.99
    assert face.roll == pytest.approx(roll, abs=15)
    for found in face_detector.detect([sideways])[0]:
        crop = upright_crop(sideways, found.box, found.roll, SPEC)
        assert similarity(crop, crop_face(portrait, upright.box, SPEC)) > 0.7


@pytest.mark.parametrize("degrees", [-30, -25, 25, 30, 40])
def test_a_tilted_face_is_cropped_upright(
    degrees: float, face_detector: FaceDetector, astronaut: Pixels
) -> None:
    upright = largest(face_detector, astronaut)
    image = leaning(astronaut, degrees)
    face = largest(face_detector, image)
    assert face.roll == pytest.approx(degrees + upright.roll, abs=12)
    wanted = crop_face(astronaut, upright.box, SPEC)
    turned = similarity(upright_crop(image, face.box, face.roll, SPEC), wanted)
    assert turned > similarity(crop_face(image, face.box, SPEC), wanted) + 0.1
    assert turned > 0.7


@pytest.mark.parametrize("degrees", [-90, -30, 30, 90])
def test_a_rotated_face_scores_like_the_upright_face(
    degrees: float, detector: DetectorTask, astronaut: Pixels
) -> None:
    images = [astronaut, leaning(astronaut, degrees)]
    upright, turned = detector.run(images, [Options()] * 2, Stopwatch())
    a, b = upright.faces[0], turned.faces[0]  # type: ignore[union-attr]
    assert b.fake_probability == pytest.approx(a.fake_probability, abs=0.08)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rotations_by_90_degrees_keep_every_pixel(turns: int, astronaut: Pixels) -> None:
    box = (180.0, 60.0, 270.0, 170.0)
    roll = {1: 93.0, 2: -177.0, 3: -88.0}[turns]
    expected = np.rot90(crop_face(astronaut, box, SPEC), turns)
    assert (upright_crop(astronaut, box, roll, SPEC) == expected).all()


FACE = ((30.0, 40.0), (70.0, 40.0), (50.0, 60.0), (35.0, 80.0), (65.0, 80.0))


@pytest.mark.parametrize(
    "landmarks",
    [
        ((30.0, 40.0), (70.0, 40.0), (50.0, 90.0), (35.0, 80.0), (65.0, 80.0)),
        ((30.0, 40.0), (70.0, 40.0), (50.0, 30.0), (35.0, 80.0), (65.0, 80.0)),
        ((30.0, 80.0), (70.0, 80.0), (50.0, 60.0), (35.0, 40.0), (65.0, 40.0)),
        ((50.0, 40.0), (51.0, 40.0), (50.0, 60.0), (50.0, 80.0), (51.0, 80.0)),
        ((30.0, 60.0), (70.0, 60.0), (50.0, 62.0), (35.0, 64.0), (65.0, 64.0)),
    ],
    ids=["nose under mouth", "nose over eyes", "upside down", "no width", "no height"],
)
def test_implausible_landmarks_are_refused(landmarks: tuple[tuple[float, float], ...]) -> None:
    assert not Face((0, 0, 100, 120), landmarks, 0.9).is_plausible


def test_plausible_landmarks_are_accepted_at_any_angle() -> None:
    for degrees in range(0, 360, 15):
        matrix = cv2.getRotationMatrix2D((50, 60), degrees, 1)
        points = cv2.transform(np.array([FACE]), matrix)[0]
        face = Face((0, 0, 100, 120), tuple((float(x), float(y)) for x, y in points), 0.9)
        assert face.is_plausible
        assert face.roll == pytest.approx((180 - degrees) % 360 - 180, abs=1e-3) or degrees == 180


@pytest.fixture(scope="module")
def portrait(astronaut: Pixels) -> Pixels:
    """A face of a quarter of the longer side, of which MTCNN finds nothing on its side."""
    return np.ascontiguousarray(astronaut[20:340, 130:330])


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_image_has_the_faces_of_the_upright_image(
    turns: int, face_detector: FaceDetector, portrait: Pixels, three_faces: Pixels
) -> None:
    for image in (portrait, three_faces):
        height, width = image.shape[:2]
        [upright] = face_detector.find([image])
        [turned] = face_detector.find([np.ascontiguousarray(np.rot90(image, turns))])
        back = [turn_back(face, turns, width, height) for face in turned.faces]
        assert [face.confidence for face in back] == [face.confidence for face in upright.faces]
        for face, expected in zip(back, upright.faces, strict=True):
            assert face.box == pytest.approx(expected.box, abs=1e-3)
            assert np.allclose(face.landmarks, expected.landmarks, atol=1e-3)
        assert turned.left_out == upright.left_out == 0


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_image_scores_exactly_like_the_upright_image(
    turns: int, detector: DetectorTask, portrait: Pixels
) -> None:
    images = [portrait, np.ascontiguousarray(np.rot90(portrait, turns))]
    upright, turned = detector.run(images, [Options()] * 2, Stopwatch())
    a, b = upright.faces[0], turned.faces[0]  # type: ignore[union-attr]
    assert b.fake_probability == pytest.approx(a.fake_probability, abs=1e-4)


def test_the_limit_of_faces_holds_in_a_turned_image(
    unpacked: Callable[[str], Path], three_faces: Pixels
) -> None:
    detector = FaceDetector(FacesSpec(max_faces=2), build_cascade(unpacked("faces"), threads=1))
    [found] = detector.find([np.ascontiguousarray(np.rot90(three_faces))])
    assert (len(found.faces), found.left_out) == (2, 1)
    assert found.faces[0].area >= found.faces[1].area


def test_images_without_faces_have_none_in_any_turn(face_detector: FaceDetector) -> None:
    images = [skimage.data.brick(), skimage.data.gravel(), skimage.data.coins()]
    colour = [cv2.cvtColor(image, cv2.COLOR_GRAY2RGB).astype(np.uint8) for image in images]
    colour += [skimage.data.rocket(), skimage.data.retina(), skimage.data.chelsea()]
    assert [find_turns(face_detector.mtcnn, image) for image in colour] == [0] * 6


def test_an_image_with_an_upright_face_is_not_turned(
    face_detector: FaceDetector, astronaut: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "find_turns", pytest.fail)
    assert len(face_detector.detect([astronaut])[0]) == 1


@given(
    st.tuples(*[st.floats(1, 500)] * 4),
    st.tuples(*[st.tuples(st.floats(0, 500), st.floats(0, 500))] * 5),
    st.integers(0, 3),
)
def test_a_turned_point_comes_back(
    box: tuple[float, ...], points: tuple[tuple[float, float], ...], turns: int
) -> None:
    x, y, w, h = box
    face = Face((x, y, x + w, y + h), points, 0.9)
    width, height = (640, 480) if turns % 2 else (480, 640)
    there = turn_back(face, turns, width, height)
    again = turn_back(there, (4 - turns) % 4, *((height, width) if turns % 2 else (width, height)))
    assert again.box == pytest.approx(face.box)
    assert np.allclose(again.landmarks, face.landmarks)


def test_a_turned_face_replaces_unsure_ones_and_those_at_its_place() -> None:
    turned = Face((20, 20, 90, 80), FACE, 0.999)
    same_place = Face((40, 40, 60, 60), FACE, 0.995)
    unsure = Face((300, 10, 340, 60), FACE, 0.9)
    other = Face((0, 0, 20, 24), FACE, 0.995)
    assert merge([other, unsure, same_place], [turned]) == [turned, other]
