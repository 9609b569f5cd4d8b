"""Finds the face of a training picture: the product's MTCNN, and Face Mesh where it is there."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from safetensors.torch import load

from deepfake_serving.packaging.archive import mtcnn_weights
from deepfake_serving.training.data.faces import Located, Locator, Points
from model_handlers.backends.pytorch import cascade
from model_handlers.manifest import FacesSpec
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceFinder


def finder(spec: FacesSpec | None = None) -> FaceFinder:
    """The face finder that the service uses, so that boxes in training are those in service.

    By torch; OpenVINO's differ from it by what bf16 rounds.
    """
    return FaceFinder(spec or FacesSpec(), cascade(load(mtcnn_weights()), torch.device("cpu")))


def best_locator() -> Locator:
    """MTCNN's box with MediaPipe's 468 points where MediaPipe is installed, else with five."""
    faces = finder()
    mesh = _FaceMesh() if find_spec("mediapipe") else None

    def locate(picture: Pixels) -> Located | None:
        found = faces.find([picture])[0]
        if not found:
            return None
        largest = max(found, key=lambda face: face.area)
        points = mesh.points(picture) if mesh else None
        if points is None:
            points = np.array(largest.landmarks, dtype=np.float32)
        return Located(largest.box, points)

    return locate


class _FaceMesh:
    """MediaPipe Face Mesh (Kartynnik et al. 2019, arXiv:1907.06724). Optional; has no types."""

    def __init__(self) -> None:
        import mediapipe  # type: ignore[import-not-found,unused-ignore]

        self._mesh: Any = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True)

    def points(self, picture: Pixels) -> Points | None:
        answer = self._mesh.process(picture)
        if not answer.multi_face_landmarks:
            return None
        height, width = picture.shape[:2]
        marks = answer.multi_face_landmarks[0].landmark[:468]
        return np.array([[m.x * width, m.y * height] for m in marks], dtype=np.float32)
