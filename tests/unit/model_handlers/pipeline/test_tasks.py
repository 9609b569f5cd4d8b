"""The chained stages: results of a batch equal those of single items."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deepfake_serving.contracts.combination import combined_probability
from deepfake_serving.contracts.problems import (
    InvalidRequest,
    Problem,
    TooManyPixels,
    UnsupportedMediaType,
)
from deepfake_serving.contracts.verdict import CropVerdict, ImageFaces, ImageVerdict
from model_handlers.items import Item, Options
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline import tasks
from model_handlers.pipeline.classifier import Scores
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.face import Face
from model_handlers.pipeline.faces import FaceDetector
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import (
    ClassifierTask,
    DetectorTask,
    FacesTask,
    Outcome,
    Task,
)
from model_handlers.pipeline.verdict import label
from tests.support.images import doubled
from tests.support.properties import examples

POOL = {
    "face": 1,
    "half": 1,
    "mirrored tensor": 1,
    "three": 3,
    "oblong tensor": 1,
    "none": 0,
    "pixel": 0,
    "truncated": "undecodable-media",
    "text": "unsupported-media-type",
    "empty": "invalid-request",
    "flat tensor": "invalid-request",
}
"""Expected outcomes of the items: number of faces, or type of the problem."""


def run(task: Task, items: Sequence[Item], *, crops: bool = False) -> list[Outcome]:
    return task.run(items, [Options(crops)] * len(items), Stopwatch())


def encoded(pixels: Pixels, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form)
    return stream.getvalue()


@pytest.fixture(scope="module")
def pool(astronaut: Pixels, three_faces: Pixels, no_face: Pixels) -> dict[str, Item]:
    half = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    return {
        "face": encoded(astronaut, "JPEG"),
        "half": encoded(half),
        "mirrored tensor": np.ascontiguousarray(astronaut[:, ::-1]),
        "three": encoded(three_faces, "WEBP"),
        "oblong tensor": np.ascontiguousarray(astronaut[40:300, 60:500]),
        "none": encoded(no_face, "JPEG"),
        "pixel": np.zeros((1, 1, 3), np.uint8),
        "truncated": encoded(astronaut, "JPEG")[:9000],
        "text": b"I am not an image.",
        "empty": b"",
        "flat tensor": np.zeros((40, 40), np.uint8),
    }


@pytest.fixture(scope="module")
def alone(pool: dict[str, Item], trained_detector: DetectorTask) -> dict[str, Outcome]:
    """Returns the result of each item of the pool when run alone."""
    return {name: run(trained_detector, [item])[0] for name, item in pool.items()}


def assert_same(together: Outcome, alone: Outcome) -> None:
    assert type(together) is type(alone)
    if isinstance(together, Problem):
        assert isinstance(alone, Problem)
        assert together.to_dict() == alone.to_dict()
        return
    assert isinstance(together, ImageVerdict)
    assert isinstance(alone, ImageVerdict)
    assert together.verdict == alone.verdict
    assert together.fake_probability == pytest.approx(alone.fake_probability, abs=1e-4)
    assert (together.width, together.height) == (alone.width, alone.height)
    for a, b in zip(together.faces, alone.faces, strict=True):
        np.testing.assert_allclose(a.box, b.box, atol=0.1)
        np.testing.assert_allclose(a.landmarks, b.landmarks, atol=0.1)
        assert a.detection_confidence == pytest.approx(b.detection_confidence, abs=1e-4)
        assert a.fake_probability == pytest.approx(b.fake_probability, abs=1e-4)
        assert a.verdict == b.verdict


def test_the_test_items_have_the_stated_outcomes(alone: dict[str, Outcome]) -> None:
    found = {
        name: outcome.slug if isinstance(outcome, Problem) else len(outcome.faces)
        for name, outcome in alone.items()
        if isinstance(outcome, Problem | ImageVerdict)
    }
    assert found == POOL


def test_the_faces_of_the_test_items_have_different_probabilities(
    alone: dict[str, Outcome],
) -> None:
    probabilities = [
        face.fake_probability
        for outcome in alone.values()
        if isinstance(outcome, ImageVerdict)
        for face in outcome.faces
    ]
    assert len(set(probabilities)) == 7
    assert max(probabilities) - min(probabilities) > 0.05


@settings(max_examples=examples(20))
@given(names=st.lists(st.sampled_from(sorted(POOL)), max_size=6))
def test_a_batch_gives_the_same_results_as_single_items(
    names: list[str],
    pool: dict[str, Item],
    alone: dict[str, Outcome],
    trained_detector: DetectorTask,
) -> None:
    together = run(trained_detector, [pool[name] for name in names])
    assert len(together) == len(names)
    for name, outcome in zip(names, together, strict=True):
        assert_same(outcome, alone[name])


def test_all_test_items_in_one_batch_give_their_own_outcomes(
    pool: dict[str, Item], alone: dict[str, Outcome], trained_detector: DetectorTask
) -> None:
    together = run(trained_detector, list(pool.values()))
    for outcome, name in zip(together, pool, strict=True):
        assert_same(outcome, alone[name])


@pytest.mark.parametrize("kind", ["detector", "faces_task", "classifier_task"])
def test_problems_are_returned_at_their_positions(
    kind: str, astronaut_jpeg: bytes, request: pytest.FixtureRequest
) -> None:
    task = request.getfixturevalue(kind)
    items: list[Item] = [b"text", astronaut_jpeg, b"", np.zeros((2, 2), np.uint8), astronaut_jpeg]
    outcomes = run(task, items)
    assert [type(outcome) for outcome in outcomes[::2]][:2] == [
        UnsupportedMediaType,
        InvalidRequest,
    ]
    assert isinstance(outcomes[3], InvalidRequest)
    assert outcomes[1] == outcomes[4]
    assert not isinstance(outcomes[1], Problem)


@pytest.mark.parametrize("kind", ["detector", "faces_task", "classifier_task"])
@pytest.mark.parametrize("items", [[], [b"text"], [b"", b"text"]])
def test_a_batch_without_valid_images_runs_no_network(
    kind: str,
    items: list[Item],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find(*_: object) -> None:
        raise AssertionError("reached")

    monkeypatch.setattr(FaceDetector, "detect", find)
    monkeypatch.setattr(tasks.Classifier, "classify", find)
    outcomes = run(request.getfixturevalue(kind), items)
    assert len(outcomes) == len(items)
    assert all(isinstance(outcome, Problem) for outcome in outcomes)


@pytest.mark.parametrize("kind", ["detector", "faces_task", "classifier_task"])
def test_the_limits_of_the_manifest_apply(
    kind: str, astronaut: Pixels, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = request.getfixturevalue(kind)
    tight = task.manifest.model_copy(update={"decode": DecodeSpec(max_pixels=512 * 512 - 1)})
    monkeypatch.setattr(task, "manifest", tight)
    outcomes = run(task, [encoded(astronaut), astronaut])
    assert [type(outcome) for outcome in outcomes] == [TooManyPixels, TooManyPixels]


# Detector ----------------------------------------------------------------------------------------


def test_a_face_is_classified_by_its_crop(
    trained_detector: DetectorTask, astronaut: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Pixels] = []
    sides: list[float] = []
    score = trained_detector.classifier.score
    monkeypatch.setattr(
        trained_detector.classifier,
        "score",
        lambda crops, px, watch: (seen.extend(crops), sides.extend(px), score(crops, px, watch))[2],
    )
    (outcome,) = run(trained_detector, [astronaut])
    ((face,),) = trained_detector.face_detector.detect([astronaut])
    expected = crop_face(astronaut, face.box, trained_detector.manifest.crop)
    np.testing.assert_array_equal(seen[0], expected)
    assert sides == [face.longer_side]
    assert isinstance(outcome, ImageVerdict)
    assert outcome.faces[0].fake_probability == pytest.approx(
        score([expected], sides, Stopwatch()).probabilities[0], abs=1e-6
    )


def test_the_verdict_of_an_image_combines_those_of_its_faces(
    trained_detector: DetectorTask, three_faces: Pixels
) -> None:
    (outcome,) = run(trained_detector, [three_faces])
    assert isinstance(outcome, ImageVerdict)
    assert len(outcome.faces) == 3
    expected = combined_probability([face.fake_probability for face in outcome.faces])
    assert outcome.fake_probability == expected
    assert outcome.verdict == label(expected, trained_detector.manifest.thresholds)
    assert (outcome.width, outcome.height) == (900, 600)


def test_an_image_without_faces_has_no_probability(detector: DetectorTask, no_face: Pixels) -> None:
    (outcome,) = run(detector, [no_face])
    assert outcome == ImageVerdict("no_face", None, [], 600, 400, detector.model)


@pytest.mark.parametrize(
    "raw",
    [0.6000000004, 0.5999999996, 0.3999999996, 0.4000000004, 0.60000051, 0.39999949],
)
def test_label_and_probability_agree_at_the_thresholds(
    raw: float,
    detector: DetectorTask,
    classifier_task: ClassifierTask,
    astronaut: Pixels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def score(crops: Sequence[Pixels], *_: object) -> Scores:
        return Scores(np.full(len(crops), raw), np.zeros(len(crops)), None)

    monkeypatch.setattr(detector.classifier, "score", score)
    monkeypatch.setattr(classifier_task.classifier, "classify", lambda *a: score(*a).probabilities)
    (whole,), (crop,) = run(detector, [astronaut]), run(classifier_task, [astronaut])
    assert isinstance(whole, ImageVerdict)
    assert isinstance(crop, CropVerdict)
    thresholds = detector.manifest.thresholds
    for response in (whole, whole.faces[0], crop):
        assert response.fake_probability is not None
        assert response.verdict == label(response.fake_probability, thresholds)
    assert whole.verdict == whole.faces[0].verdict == crop.verdict
    assert whole.faces[0].models == {"detector": {"fake_probability": whole.fake_probability}}


def test_stages_are_timed(detector: DetectorTask, astronaut_jpeg: bytes) -> None:
    watch = Stopwatch()
    detector.run([astronaut_jpeg], [Options()], watch)
    assert list(watch.seconds) == ["decode", "detect", "crop", "classify"]
    assert all(milliseconds > 0 for milliseconds in watch.milliseconds().values())


def test_the_detector_returns_no_crops(detector: DetectorTask, astronaut: Pixels) -> None:
    plain, request = run(detector, [astronaut]), run(detector, [astronaut], crops=True)
    assert plain == request


# Faces -------------------------------------------------------------------------------------------


def test_crops_are_returned_only_if_requested(faces_task: FacesTask, astronaut_jpeg: bytes) -> None:
    items: list[Item] = [astronaut_jpeg, b"text", astronaut_jpeg]
    options = [Options(), Options(), Options(crops=True)]
    without, problem, request = faces_task.run(items, options, Stopwatch())
    assert isinstance(without, ImageFaces)
    assert isinstance(problem, UnsupportedMediaType)
    assert isinstance(request, ImageFaces)
    assert [face.crop for face in without.faces] == [None]
    assert request.faces[0].crop is not None
    assert request.faces[0].crop.startswith("data:image/png;base64,")


def test_a_returned_crop_is_the_classified_crop(faces_task: FacesTask, astronaut: Pixels) -> None:
    (outcome,) = run(faces_task, [astronaut], crops=True)
    ((face,),) = faces_task.face_detector.detect([astronaut])
    assert isinstance(outcome, ImageFaces)
    uri = outcome.faces[0].crop
    assert uri is not None
    shipped = np.array(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
    np.testing.assert_array_equal(shipped, crop_face(astronaut, face.box, faces_task.manifest.crop))


def test_faces_and_detector_find_the_same_faces(
    faces_task: FacesTask, detector: DetectorTask, three_faces: Pixels
) -> None:
    (found,), (detected,) = run(faces_task, [three_faces]), run(detector, [three_faces])
    assert isinstance(found, ImageFaces)
    assert isinstance(detected, ImageVerdict)
    assert [f.box for f in found.faces] == [f.box for f in detected.faces]
    assert [f.landmarks for f in found.faces] == [f.landmarks for f in detected.faces]


def test_models_report_that_they_are_trained(faces_task: FacesTask, detector: DetectorTask) -> None:
    assert faces_task.model.trained
    assert detector.model.trained


# Classifier --------------------------------------------------------------------------------------


def test_the_classifier_agrees_with_the_detector_on_a_crop(
    trained_detector: DetectorTask, astronaut: Pixels
) -> None:
    image = doubled(astronaut)
    classifier = ClassifierTask(
        trained_detector.manifest, trained_detector.model, trained_detector.classifier
    )
    (whole,) = run(trained_detector, [image])
    ((face,),) = trained_detector.face_detector.detect([image])
    (crop,) = run(classifier, [crop_face(image, face.box, classifier.manifest.crop)])
    assert isinstance(whole, ImageVerdict)
    assert isinstance(crop, CropVerdict)
    assert crop.fake_probability == pytest.approx(whole.fake_probability, abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (32, 200), (224, 224), (700, 300)])
def test_crops_of_any_size_are_accepted(
    shape: tuple[int, int], classifier_task: ClassifierTask
) -> None:
    (outcome,) = run(classifier_task, [np.full((*shape, 3), 90, np.uint8)])
    assert isinstance(outcome, CropVerdict)
    assert 0 <= outcome.fake_probability <= 1


def test_the_classifier_gives_the_same_results_for_batches_and_single_items(
    trained_detector: DetectorTask, astronaut: Pixels
) -> None:
    classifier = ClassifierTask(
        trained_detector.manifest, trained_detector.model, trained_detector.classifier
    )
    items: list[Item] = [np.ascontiguousarray(astronaut[y : y + 150, 90:290]) for y in (0, 99, 300)]
    together = run(classifier, [items[0], b"", *items[1:]])
    single = [run(classifier, [item])[0] for item in items]
    assert isinstance(together.pop(1), InvalidRequest)
    for a, b in zip(together, single, strict=True):
        assert isinstance(a, CropVerdict)
        assert isinstance(b, CropVerdict)
        assert a.fake_probability == pytest.approx(b.fake_probability, abs=1e-4)
        assert replace(a, fake_probability=0) == replace(b, fake_probability=0)


# A failing stage ---------------------------------------------------------------------------------


def test_a_missing_result_raises_an_error(
    faces_task: FacesTask, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_one(find: Callable[..., Any]) -> Callable[..., Any]:
        return lambda images: find(images)[1:]

    monkeypatch.setattr(faces_task.face_detector, "find", lose_one(faces_task.face_detector.find))
    with pytest.raises(ValueError, match="zip"):
        run(faces_task, [astronaut_jpeg, astronaut_jpeg])


def test_the_pixels_of_a_batch_are_limited(
    detector: DetectorTask, no_face: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = int(2.5 * no_face.shape[0] * no_face.shape[1])
    decode = detector.manifest.decode.model_copy(update={"max_pixels": limit})
    task = DetectorTask(
        detector.manifest.model_copy(update={"decode": decode}),
        detector.model,
        detector.face_detector,
        detector.classifier,
    )
    together: list[int] = []
    detect = task.face_detector.find

    def noted(images: Sequence[Pixels]) -> list[list[Face]]:
        together.append(len(images))
        return detect(images)

    monkeypatch.setattr(task.face_detector, "find", noted)
    outcomes = run(task, [no_face, b"no image", no_face, no_face, no_face, no_face])
    assert together == [2, 2, 1]
    assert [type(o) for o in outcomes] == [ImageVerdict, UnsupportedMediaType, *[ImageVerdict] * 4]


def test_a_small_crop_is_calibrated_as_a_small_face(
    classifier_task: ClassifierTask, astronaut: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[float] = []
    classify = classifier_task.classifier.classify
    monkeypatch.setattr(
        classifier_task.classifier,
        "classify",
        lambda crops, px, watch: (sides.extend(px), classify(crops, px, watch))[1],
    )
    run(classifier_task, [astronaut[:130, :130].copy(), astronaut])
    assert sides == [pytest.approx(130 / 1.35), pytest.approx(512 / 1.35)]


def test_faces_are_in_reading_order(trained_detector: DetectorTask, astronaut: Pixels) -> None:
    """Two rows of two; the largest is the last. The detector finds the largest first."""
    page = np.full((760, 900, 3), 200, np.uint8)
    head = astronaut[0:256, 96:352]
    page[20:276, 560:816], page[60:316, 30:286] = head, head
    large = cv2.resize(head, (380, 380))
    page[360:740, 500:880], page[420:676, 30:286] = large, head
    [verdict] = run(trained_detector, [page])
    assert isinstance(verdict, ImageVerdict)
    corners = [(face.box[0] > 450, face.box[1] > 380) for face in verdict.faces]
    assert corners == [(False, False), (True, False), (False, True), (True, True)]


@pytest.mark.parametrize("kind", ["trained_detector", "faces_task"])
def test_a_copy_of_the_image_is_returned_on_request(
    kind: str, astronaut: Pixels, request: pytest.FixtureRequest
) -> None:
    task = request.getfixturevalue(kind)
    wide = cv2.resize(astronaut, (2000, 1000))
    items: list[Item] = [encoded(wide, "TIFF"), encoded(astronaut)]
    large, small = task.run(items, [Options(preview=True), Options()], Stopwatch())
    assert (large.width, large.height) == (2000, 1000)
    head, _, data = large.preview.partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as copy:
        assert copy.size == (1600, 800)
        difference = np.abs(np.asarray(copy, np.float32) - cv2.resize(wide, (1600, 800)))
    assert difference.mean() < 4
    assert small.preview is None
