"""Faces that lie on their side or lean: found for sure, and cropped upright."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from model_handlers.items import Options
from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face, upright_crop
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import Face, FaceDetector
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
