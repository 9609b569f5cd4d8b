"""Pictures to faces: the working resolution around MTCNN, and its answers in source pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model_handlers.manifest import FacesSpec
from model_handlers.pipeline.crop import shrink
from model_handlers.pipeline.decode import Pixels
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

    def __init__(
        self, spec: FacesSpec, weights: Mapping[str, Tensor], device: torch.device
    ) -> None:
        self.spec = spec
        self.mtcnn = MTCNN(weights, spec.thresholds, spec.pyramid_factor, device)

    def find(self, images: Sequence[Pixels]) -> list[list[Face]]:
        """All faces of each picture, at most `max_faces`; none on a picture that is too small.

        A face is found from `min_face_px` source pixels on, or from 20 pixels at the working
        resolution where that is more.
        """
        scales = [min(1.0, self.spec.working_long_side / max(i.shape[:2])) for i in images]
        working = [shrink(i, scale) for i, scale in zip(images, scales, strict=True)]
        least = [max(self.spec.min_face_px * s, _LEAST_WORKING_FACE) for s in scales]
        found = self.mtcnn.detect(working, least)
        return [
            self._in_source(detections, image, small)
            for detections, image, small in zip(found, images, working, strict=True)
        ]

    def _in_source(self, detections: Detections, image: Pixels, small: Pixels) -> list[Face]:
        height, width = image.shape[:2]
        ratio = np.array([width / small.shape[1], height / small.shape[0]], dtype=np.float32)
        boxes = detections.boxes * np.tile(ratio, 2)
        boxes = np.clip(boxes, 0, [width, height, width, height])
        points = detections.landmarks * ratio
        faces = [
            Face(
                (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                tuple((float(x), float(y)) for x, y in marks),
                float(score),
            )
            for box, marks, score in zip(boxes, points, detections.scores, strict=True)
            if box[2] > box[0] and box[3] > box[1]
        ]
        return sorted(faces, key=lambda face: -face.area)[: self.spec.max_faces]
