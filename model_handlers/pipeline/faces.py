"""Face detection: from images to faces, largest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_handlers.manifest import FacesSpec
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.graph import Cascade
from model_handlers.pipeline.mtcnn import MTCNN, Detections

_MIN_WORKING_FACE_PX = 20.0
"""px; MTCNN was trained on faces of about this size and up, and is mostly wrong below."""


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


class FaceDetector:
    """Detects the faces of a batch of images by MTCNN."""

    def __init__(self, spec: FacesSpec, cascade: Cascade) -> None:
        self.spec = spec
        self.mtcnn = MTCNN(cascade, spec.thresholds, spec.pyramid_factor)

    def detect(self, images: Sequence[Pixels]) -> list[list[Face]]:
        """Returns each image's faces, largest first, at most `max_faces`.

        The smallest face that is detected measures `min_face_px`, or 20 px after the image is
        scaled to `working_long_side`, whichever is larger.
        """
        detections = self.mtcnn.detect(images, [self._min_face_px(image) for image in images])
        return [self._faces(each, image) for each, image in zip(detections, images, strict=True)]

    def _min_face_px(self, image: Pixels) -> float:
        longest = int(max(image.shape[:2]))
        scale = min(1.0, self.spec.working_long_side / longest)
        return max(self.spec.min_face_px, _MIN_WORKING_FACE_PX / scale)

    def _faces(self, detections: Detections, image: Pixels) -> list[Face]:
        height, width = image.shape[:2]
        boxes = np.clip(detections.boxes, 0, [width, height, width, height])
        faces = [
            Face(
                (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                tuple((float(x), float(y)) for x, y in marks),
                float(score),
            )
            for box, marks, score in zip(
                boxes, detections.landmarks, detections.scores, strict=True
            )
            if box[2] > box[0] and box[3] > box[1]
        ]
        return sorted(faces, key=lambda face: -face.area)[: self.spec.max_faces]
