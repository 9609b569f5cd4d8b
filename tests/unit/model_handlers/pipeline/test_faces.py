"""Face detection: as good as the reference implementation, and without its exceptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import cv2
import facenet_pytorch
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, load_file

from deepfake_serving.packaging.archive import mtcnn_weights
from model_handlers.backends import pytorch
from model_handlers.backends.openvino import build_cascade
from model_handlers.manifest import MTCNN_FILE, FacesSpec
from model_handlers.networks.mtcnn import build_stage
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detection import mtcnn
from model_handlers.pipeline.detection.mtcnn import MTCNN, Detections
from model_handlers.pipeline.detection.pyramid import Layout, build_layout
from model_handlers.pipeline.face import Face
from model_handlers.pipeline.faces import FaceDetector
from tests.support.properties import examples


@pytest.fixture(scope="module")
def find_with(unpacked: Callable[[str], Path]) -> Callable[..., list[Face]]:
    """Detects the faces of one image with other settings."""
    networks = build_cascade(unpacked("faces"), threads=1)

    def find(image: Pixels, **values: object) -> list[Face]:
        return FaceDetector(FacesSpec.model_validate(values), networks).detect([image])[0]

    return find


Find = Callable[..., list[Face]]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    size = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    areas = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])
    return float(np.prod(size) / (areas - np.prod(size)))


def centre(face: Face) -> np.ndarray:
    return (np.array(face.box[:2]) + face.box[2:]) / 2


# Parity ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference() -> facenet_pytorch.MTCNN:
    return facenet_pytorch.MTCNN(keep_all=True, min_face_size=40)


@pytest.mark.parametrize(("name", "count"), [("astronaut", 1), ("three_faces", 3)])
def test_faces_equal_those_of_facenet_pytorch(
    name: str,
    count: int,
    face_detector: FaceDetector,
    reference: facenet_pytorch.MTCNN,
    request: pytest.FixtureRequest,
) -> None:
    image = request.getfixturevalue(name)
    (ours,) = face_detector.detect([image])
    boxes, confidences, points = reference.detect(image.copy(), landmarks=True)
    assert len(ours) == len(boxes) == count
    for box, confidence, marks in zip(boxes, confidences, points, strict=True):
        box = np.clip(box.astype(float), 0, [*image.shape[1::-1]] * 2)
        face = max(ours, key=lambda f: iou(np.array(f.box), box))
        assert iou(np.array(face.box), box) >= 0.85
        assert face.confidence == pytest.approx(confidence, abs=0.01)
        apart = np.linalg.norm(np.array(face.landmarks) - marks.astype(float), axis=1)
        assert apart.max() <= 0.03 * (box[2] - box[0]) + 1


def test_facenet_pytorch_finds_no_face_where_we_find_none(
    face_detector: FaceDetector, reference: facenet_pytorch.MTCNN, no_face: Pixels
) -> None:
    assert reference.detect(no_face.copy())[0] is None
    assert face_detector.detect([no_face]) == [[]]


def test_landmarks_are_eyes_nose_and_mouth_corners(
    face_detector: FaceDetector, astronaut: Pixels
) -> None:
    ((face,),) = face_detector.detect([astronaut])
    left_eye, right_eye, nose, left_mouth, right_mouth = np.array(face.landmarks)
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    x1, y1, x2, y2 = face.box
    assert all(x1 < x < x2 and y1 < y < y2 for x, y in face.landmarks)


def test_no_face_lies_within_another(find_with: Find, astronaut: Pixels) -> None:
    faces = find_with(astronaut, thresholds=(0.05, 0.05, 0.05), min_face_px=20)
    assert len(faces) > 20
    for a, b in combinations(faces, 2):
        corner, far = np.maximum(a.box[:2], b.box[:2]), np.minimum(a.box[2:], b.box[2:])
        shared = np.prod(np.maximum(far - corner, 0))
        assert shared <= 0.75 * min(a.area, b.area)


# Robustness --------------------------------------------------------------------------------------

ODD = {
    "1x1": np.zeros((1, 1, 3), np.uint8),
    "2x500": np.full((2, 500, 3), 90, np.uint8),
    "500x2": np.full((500, 2, 3), 90, np.uint8),
    "16x16": np.full((16, 16, 3), 200, np.uint8),
    "5000x20": np.full((5000, 20, 3), 200, np.uint8),
    "100000x1": np.full((100_000, 1, 3), 200, np.uint8),
    "black": np.zeros((300, 400, 3), np.uint8),
    "white": np.full((300, 400, 3), 255, np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8),
}


@pytest.mark.parametrize("name", ODD)
def test_degenerate_images_have_no_faces_and_raise_nothing(
    name: str, face_detector: FaceDetector
) -> None:
    assert face_detector.detect([ODD[name]]) == [[]]


def test_no_images_have_no_faces(face_detector: FaceDetector) -> None:
    assert face_detector.detect([]) == []


@settings(max_examples=examples(40))
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    seed=st.integers(0, 2**16),
    threshold=st.sampled_from([0.0, 0.3, 0.6]),
)
def test_any_image_and_threshold_give_faces_within_the_image(
    height: int, width: int, seed: int, threshold: float, find_with: Find
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for face in find_with(image, thresholds=(threshold,) * 3, min_face_px=12):
        x1, y1, x2, y2 = face.box
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height
        assert threshold < face.confidence <= 1
        assert len(face.landmarks) == 5


def test_a_face_cut_by_the_border_is_found_within_the_image(
    face_detector: FaceDetector, astronaut: Pixels
) -> None:
    ((face,),) = face_detector.detect([np.ascontiguousarray(astronaut[80:, 190:])])
    assert min(face.box) >= 0
    assert face.box[0] == 0 or face.box[1] == 0


# Settings ----------------------------------------------------------------------------------------


def test_the_largest_faces_come_first(face_detector: FaceDetector, three_faces: Pixels) -> None:
    (faces,) = face_detector.detect([three_faces])
    assert len(faces) == 3
    assert all(a.area >= b.area for a, b in pairwise(faces))
    assert faces[0].area > 2 * faces[1].area


@pytest.mark.parametrize("most", [1, 2, 3])
def test_max_faces_keeps_the_largest_faces(
    most: int, find_with: Find, face_detector: FaceDetector, three_faces: Pixels
) -> None:
    (every,) = face_detector.detect([three_faces])
    assert find_with(three_faces, max_faces=most) == every[:most]


def test_min_face_px_removes_smaller_faces(find_with: Find, three_faces: Pixels) -> None:
    # The heads hold faces of about 90 x 110 and 140 x 180 px; P-Net proposes larger boxes than the
    # resulting faces, so the limit is soft.
    assert len(find_with(three_faces, min_face_px=40)) == 3
    assert len(find_with(three_faces, min_face_px=250)) == 1
    assert find_with(three_faces, min_face_px=500) == []


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_each_threshold_has_an_effect(stage: int, find_with: Find, astronaut: Pixels) -> None:
    thresholds = [0.6, 0.7, 0.7]
    assert len(find_with(astronaut, thresholds=thresholds)) == 1
    thresholds[stage] = 1.0
    assert find_with(astronaut, thresholds=thresholds) == []


@pytest.mark.parametrize(("factor", "levels"), [(0.5, 4), (0.8, 12)])
def test_the_pyramid_factor_sets_how_many_levels_are_searched(
    factor: float,
    levels: int,
    find_with: Find,
    astronaut: Pixels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # From 40 px up to 512: the first, and log(512 / 40) / log(1 / factor) more.
    searched: list[Layout] = []

    def spy(*given: Any) -> Layout:
        searched.append(build_layout(*given))
        return searched[-1]

    monkeypatch.setattr(mtcnn, "build_layout", spy)
    find_with(astronaut, pyramid_factor=factor)
    assert [len(layout.levels) for layout in searched] == [levels]


def test_the_working_resolution_limits_what_is_searched(find_with: Find, astronaut: Pixels) -> None:
    small = np.full((1024, 1024, 3), 128, np.uint8)
    small[200:456, 300:556] = cv2.resize(
        astronaut[:256, 96:352], (256, 256), interpolation=cv2.INTER_AREA
    )
    assert len(find_with(small, working_long_side=1024)) == 1
    assert find_with(small, working_long_side=64) == []


def test_the_smallest_face_searched_is_20_px_at_the_working_resolution(
    find_with: Find, astronaut: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[float] = []
    detect = MTCNN.detect

    def spy(self: MTCNN, images: Sequence[Pixels], least: Sequence[float]) -> list[Detections]:
        requested.extend(least)
        return detect(self, images, least)

    monkeypatch.setattr(MTCNN, "detect", spy)
    for side in (128, 384, 512):
        find_with(astronaut, min_face_px=40, working_long_side=side)
    assert requested == [80, 40, 40]


# Resolution and batches --------------------------------------------------------------------------


def test_faces_of_a_downscaled_image_are_in_original_pixels(
    face_detector: FaceDetector, astronaut: Pixels
) -> None:
    large = np.full((2000, 3000, 3), 128, np.uint8)
    head = cv2.resize(astronaut[:256, 96:352], (768, 768), interpolation=cv2.INTER_CUBIC)
    large[1100:1868, 2100:2868] = head
    ((face,),) = face_detector.detect([large])
    ((original,),) = face_detector.detect([astronaut])
    expected = (np.array(original.box) - [96, 0, 96, 0]) * 3 + [2100, 1100, 2100, 1100]
    assert iou(np.array(face.box), expected) >= 0.85
    moved = (np.array(original.landmarks) - [96, 0]) * 3 + [2100, 1100]
    assert np.linalg.norm(np.array(face.landmarks) - moved, axis=1).max() < 15


def test_an_upscaled_image_has_the_same_face_scaled(
    face_detector: FaceDetector, astronaut: Pixels
) -> None:
    upscaled = cv2.resize(astronaut, (2048, 2048), interpolation=cv2.INTER_CUBIC)
    ((face,),) = face_detector.detect([upscaled])
    ((original,),) = face_detector.detect([astronaut])
    assert iou(np.array(face.box), np.array(original.box) * 4) >= 0.85


def test_a_batch_of_different_sizes_gives_the_same_faces_as_single_images(
    face_detector: FaceDetector, astronaut: Pixels, three_faces: Pixels, no_face: Pixels
) -> None:
    images = [three_faces, ODD["1x1"], astronaut, no_face, astronaut, ODD["noise"]]
    together = face_detector.detect(images)
    assert [len(faces) for faces in together] == [3, 0, 1, 0, 1, 0]
    for faces, image in zip(together, images, strict=True):
        (alone,) = face_detector.detect([image])
        for a, b in zip(faces, alone, strict=True):
            np.testing.assert_allclose(a.box, b.box, atol=0.01)
            np.testing.assert_allclose(a.landmarks, b.landmarks, atol=0.01)
            assert a.confidence == pytest.approx(b.confidence, abs=1e-5)


def test_a_mirrored_image_has_the_mirrored_face(
    face_detector: FaceDetector, astronaut: Pixels
) -> None:
    ((face,),) = face_detector.detect([astronaut])
    ((mirrored,),) = face_detector.detect([np.ascontiguousarray(astronaut[:, ::-1])])
    np.testing.assert_allclose(centre(mirrored), [512, 0] + centre(face) * [-1, 1], atol=6)


def test_weights_of_another_network_are_refused() -> None:
    weights = load(mtcnn_weights())
    weights |= {f"pnet.{key}": value for key, value in weights.items() if key.startswith("rnet.")}
    with pytest.raises(RuntimeError, match="PNet"):
        build_stage("pnet", weights)


def test_the_torch_backend_finds_the_same_faces(
    face_detector: FaceDetector,
    unpacked: Callable[[str], Path],
    astronaut: Pixels,
    three_faces: Pixels,
) -> None:
    """The other backend, in fp32 where OpenVINO's is bf16 on CPUs that have it."""
    weights = load_file(unpacked("faces") / MTCNN_FILE)
    other = FaceDetector(face_detector.spec, pytorch.build_cascade(weights, torch.device("cpu")))
    images = [astronaut, three_faces]
    for ours, expected in zip(face_detector.detect(images), other.detect(images), strict=True):
        assert len(ours) == len(expected) > 0
        for a, b in zip(ours, expected, strict=True):
            assert iou(np.array(a.box), np.array(b.box)) > 0.95
            assert a.confidence == pytest.approx(b.confidence, abs=0.01)
