"""A model scores the faces that another one found as it scores those that it finds itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from deepfake_serving.contracts.verdict import CropVerdict, ImageVerdict
from model_handlers.given_faces import GivenFace
from model_handlers.items import Item, Options
from model_handlers.manifest import CalibrationSpec, Manifest
from model_handlers.pipeline.classifier import Classifier
from model_handlers.pipeline.crops.face import cut_face
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.face import Face
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import ClassifierTask, DetectorTask, Task


def run(task: Task, items: Sequence[Item], options: Sequence[Options]) -> list[ImageVerdict]:
    results = task.run(items, options, Stopwatch())
    assert all(isinstance(result, ImageVerdict) for result in results)
    return [result for result in results if isinstance(result, ImageVerdict)]


def given(verdict: ImageVerdict) -> Options:
    """Returns the options that give the faces of a verdict."""
    faces = [
        GivenFace(
            (face.box[0], face.box[1], face.box[2], face.box[3]),
            tuple((x, y) for x, y in face.landmarks),
            face.detection_confidence,
        )
        for face in verdict.faces
    ]
    return Options(faces=tuple(faces))


@pytest.fixture(scope="module")
def small_faces(three_faces: Pixels) -> Pixels:
    return cv2.resize(three_faces, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def cautious(detector: DetectorTask) -> Manifest:
    """The detector's manifest; its small faces are unsure."""
    calibration = CalibrationSpec(slope=0.3, method="platt", certain_from_px=150)
    return detector.manifest.model_copy(update={"calibration": calibration})


@pytest.fixture(scope="module")
def tasks(detector: DetectorTask, cautious: Manifest) -> tuple[DetectorTask, ClassifierTask]:
    classifier = Classifier(cautious, detector.classifier.network)
    return (
        DetectorTask(cautious, detector.model, detector.face_detector, classifier),
        ClassifierTask(cautious, detector.model, classifier),
    )


@pytest.mark.parametrize("member", [0, 1], ids=["detector", "classifier"])
def test_a_member_agrees_with_itself_alone(
    tasks: tuple[DetectorTask, ClassifierTask],
    member: int,
    small_faces: Pixels,
    astronaut: Pixels,
) -> None:
    images = [small_faces, astronaut]
    alone = run(tasks[0], images, [Options(full_precision=True)] * 2)
    together = run(tasks[member], images, [given(verdict) for verdict in alone])
    assert [len(verdict.faces) for verdict in alone] == [3, 1]
    for a, b in zip(alone, together, strict=True):
        assert b.fake_probability == pytest.approx(a.fake_probability, abs=1e-3)
        for x, y in zip(a.faces, b.faces, strict=True):
            assert y.fake_probability == pytest.approx(x.fake_probability, abs=1e-3)
            assert y.box == [round(value, 1) for value in x.box]


def test_faces_are_not_sought_where_they_are_given(
    tasks: tuple[DetectorTask, ClassifierTask], astronaut: Pixels
) -> None:
    none, found = run(tasks[0], [astronaut] * 2, [Options(faces=()), Options()])
    assert (none.verdict, none.faces) == ("no_face", [])
    assert len(found.faces) == 1


def test_a_crop_is_as_unsure_as_its_face_is_small(
    tasks: tuple[DetectorTask, ClassifierTask], small_faces: Pixels
) -> None:
    """A crop that was enlarged looks like a large face; `face_px` says that it is none."""
    detector, classifier = tasks
    (verdict,) = run(detector, [small_faces], [Options(full_precision=True)])
    face = verdict.faces[-1]
    box = (face.box[0], face.box[1], face.box[2], face.box[3])
    points = tuple((x, y) for x, y in face.landmarks)
    found = Face(box, points, face.detection_confidence)
    crop = cut_face(small_faces, found, detector.manifest.crop)
    sized, unsized = classifier.run(
        [crop, crop], [Options(face_px=found.longer_side), Options()], Stopwatch()
    )
    assert isinstance(sized, CropVerdict)
    assert isinstance(unsized, CropVerdict)
    assert sized.fake_probability == pytest.approx(face.fake_probability, abs=1e-3)
    assert abs(unsized.fake_probability - 0.5) > abs(sized.fake_probability - 0.5) + 0.01


def test_a_classifier_takes_crops_and_images_in_one_batch(
    tasks: tuple[DetectorTask, ClassifierTask], astronaut: Pixels
) -> None:
    crop = np.ascontiguousarray(astronaut[40:200, 150:310])
    (alone,) = run(tasks[0], [astronaut], [Options(full_precision=True)])
    first, second, third = tasks[1].run(
        [crop, astronaut, crop], [Options(), given(alone), Options()], Stopwatch()
    )
    assert isinstance(second, ImageVerdict)
    assert first == replace(third)
    assert second.fake_probability == pytest.approx(alone.fake_probability, abs=1e-3)
