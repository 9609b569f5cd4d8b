"""Pictures to faces: how small faces are looked for, and what MTCNN finds, the largest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_handlers.manifest import FacesSpec
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.graph import Cascade
from model_handlers.pipeline.mtcnn import MTCNN, Detections

_LEAST_WORKING_FACE = 20.0
"""px; MTCNN was trained on faces from about this size on, below it mostly errs."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face in source pixels: `box` x1, y1, x2, y2; `landmarks` five x, y; `confidence` 0..1."""

    box: tuple[float, float, float, float]
    landmarks: tuple[tuple[float, float], ...]
    confidence: float

    @property
    def area(self) -> float:
        x1, y1, x2, y2 = self.box
        return (x2 - x1) * (y2 - y1)

    @property
    def longer_side(self) -> float:
        x1, y1, x2, y2 = self.box
        return max(x2 - x1, y2 - y1)


class FaceFinder:
    """Finds the faces of a batch of pictures, the largest of each first."""

    def __init__(self, spec: FacesSpec, cascade: Cascade) -> None:
        self.spec = spec
        self.mtcnn = MTCNN(cascade, spec.thresholds, spec.pyramid_factor)

    def find(self, images: Sequence[Pixels]) -> list[list[Face]]:
        """All faces of each picture, at most `max_faces`; none on a picture that is too small.

        A face is found from `min_face_px` pixels on, or from 20 pixels in the picture as
        `working_long_side` shows it where that is more.
        """
        found = self.mtcnn.detect(images, [self._least(image) for image in images])
        return [
            self._faces(detections, image) for detections, image in zip(found, images, strict=True)
        ]

    def _least(self, image: Pixels) -> float:
        longest = int(max(image.shape[:2]))
        scale = min(1.0, self.spec.working_long_side / longest)
        return max(self.spec.min_face_px, _LEAST_WORKING_FACE / scale)

    def _faces(self, found: Detections, image: Pixels) -> list[Face]:
        height, width = image.shape[:2]
        boxes = np.clip(found.boxes, 0, [width, height, width, height])
        faces = [
            Face(
                (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                tuple((float(x), float(y)) for x, y in marks),
                float(score),
            )
            for box, marks, score in zip(boxes, found.landmarks, found.scores, strict=True)
            if box[2] > box[0] and box[3] > box[1]
        ]
        return sorted(faces, key=lambda face: -face.area)[: self.spec.max_faces]
