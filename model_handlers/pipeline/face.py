"""A detected face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detection.mtcnn import Detections

CERTAIN = 0.99
"""Confidence of almost all upright faces (97 of 100 portraits), and of 7 in 100 turned ones."""
_MIN_EYES_TO_MOUTH, _MIN_WIDTH = 0.15, 0.05
"""Minimum distances, as a share of the longer side. Portraits have at least 0.30 and 0.25."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Face:
    """A face in source pixels: `box` x1, y1, x2, y2; `landmarks` five x, y; `confidence` 0..1."""

    box: Box
    landmarks: tuple[tuple[float, float], ...]
    confidence: float

    @property
    def area(self) -> float:
        x1, y1, x2, y2 = self.box
        return (x2 - x1) * (y2 - y1)

    @property
    def centre(self) -> tuple[float, float]:
        x1, y1, x2, y2 = self.box
        return (x1 + x2) / 2, (y1 + y2) / 2

    @property
    def longer_side(self) -> float:
        x1, y1, x2, y2 = self.box
        return max(x2 - x1, y2 - y1)

    @property
    def roll(self) -> float:
        """Degrees, -180 to 180, that the face leans to, clockwise, by its eyes and mouth."""
        left_eye, right_eye, _, left_mouth, right_mouth = self.landmarks
        x, y = (
            right_eye[axis] - left_eye[axis] + right_mouth[axis] - left_mouth[axis]
            for axis in (0, 1)
        )
        return math.degrees(math.atan2(y, x))

    @property
    def is_certain(self) -> bool:
        """Whether this is a face for sure, whose landmarks are right."""
        return self.confidence >= CERTAIN and self.is_plausible

    @property
    def is_plausible(self) -> bool:
        """Whether the nose is between the eyes and the mouth, and these at some distance."""
        points = np.array(self.landmarks)
        eyes, nose, mouth = points[:2].mean(0), points[2], points[3:].mean(0)
        across = points[1] - points[0] + points[4] - points[3]
        width = float(np.hypot(*across)) / 2
        down = np.array([-across[1], across[0]]) / max(2 * width, 1e-6)
        height = float((mouth - eyes) @ down)
        return (
            width > _MIN_WIDTH * self.longer_side
            and height > _MIN_EYES_TO_MOUTH * self.longer_side
            and 0 < float((nose - eyes) @ down) < height
        )

    def overlap(self, other: Face) -> float:
        """Returns the intersection over union of two faces' boxes."""
        low = np.maximum(self.box[:2], other.box[:2])
        high = np.minimum(self.box[2:], other.box[2:])
        shared = float(np.prod(np.maximum(high - low, 0)))
        return shared / (self.area + other.area - shared)


class FoundFaces(NamedTuple):
    """The faces of an image, and the number of smaller ones that were left out."""

    faces: list[Face]
    left_out: int


def in_reading_order(faces: Sequence[Face]) -> list[Face]:
    """Returns faces row by row, each from left to right, as a caption names them.

    A row has the faces whose centres are above the lower side of its highest one.
    """
    left = sorted(faces, key=lambda face: face.centre[1])
    ordered: list[Face] = []
    while left:
        bottom = left[0].box[3]
        row = [face for face in left if face.centre[1] <= bottom]
        ordered += sorted(row, key=lambda face: face.centre[0])
        left = left[len(row) :]
    return ordered


def faces_in(detections: Detections, image: Pixels) -> list[Face]:
    """Returns the faces of one image, within its borders, largest first."""
    height, width = image.shape[:2]
    boxes = np.clip(detections.boxes, 0, [width, height, width, height])
    faces = [
        Face(
            (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
            tuple((float(x), float(y)) for x, y in marks),
            float(score),
        )
        for box, marks, score in zip(boxes, detections.landmarks, detections.scores, strict=True)
        if box[2] > box[0] and box[3] > box[1]
    ]
    return sorted(faces, key=lambda face: -face.area)
