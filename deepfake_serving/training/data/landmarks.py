"""Face and landmark detection for training images: the served MTCNN, and Face Mesh if installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from safetensors.torch import load

from deepfake_serving.packaging.archive import mtcnn_weights
from deepfake_serving.training.data.portraits import FaceLandmarks, LandmarkDetector, Points
from model_handlers.backends.pytorch import build_cascade
from model_handlers.manifest import FacesSpec
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceDetector


def build_face_detector(spec: FacesSpec | None = None) -> FaceDetector:
    """Returns the face detector that is served, so that training boxes match those in service.

    It runs on PyTorch; OpenVINO's results differ by bf16 rounding.
    """
    return FaceDetector(
        spec or FacesSpec(), build_cascade(load(mtcnn_weights()), torch.device("cpu"))
    )


def best_landmark_detector() -> LandmarkDetector:
    """Returns MTCNN's box with MediaPipe's 468 points if installed, else with MTCNN's five."""
    face_detector = build_face_detector()
    mesh = _FaceMesh() if find_spec("mediapipe") else None

    def detect(image: Pixels) -> FaceLandmarks | None:
        faces = face_detector.detect([image])[0]
        if not faces:
            return None
        largest = max(faces, key=lambda face: face.area)
        points = mesh.points(image) if mesh else None
        if points is None:
            points = np.array(largest.landmarks, dtype=np.float32)
        return FaceLandmarks(largest.box, points)

    return detect


class _FaceMesh:
    """MediaPipe Face Mesh (Kartynnik et al. 2019, arXiv:1907.06724)."""

    def __init__(self) -> None:
        import mediapipe  # type: ignore[import-not-found,unused-ignore]

        self._mesh: Any = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True)

    def points(self, image: Pixels) -> Points | None:
        result = self._mesh.process(image)
        if not result.multi_face_landmarks:
            return None
        height, width = image.shape[:2]
        landmarks = result.multi_face_landmarks[0].landmark[:468]
        return np.array([[p.x * width, p.y * height] for p in landmarks], dtype=np.float32)
