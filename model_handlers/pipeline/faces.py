"""Face detection: from images to faces, largest first.

MTCNN finds upright faces. Of those that lie on their side it finds some, hardly ever surely, and
puts their eyes and mouths in the wrong places. So weak finds are looked at again in quarter turns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from model_handlers.manifest import CropSpec, FacesSpec
from model_handlers.pipeline.crop import crop_face, square_around
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.graph import Cascade
from model_handlers.pipeline.mtcnn import MTCNN, Detections

_MIN_WORKING_FACE_PX = 20.0
"""px; MTCNN was trained on faces of about this size and up, and is mostly wrong below."""
CERTAIN = 0.99
"""Confidence of almost all upright faces (97 of 100 portraits), and of 7 in 100 turned ones."""
_TURNED_DOUBT = 0.1
"""Largest ratio of the doubts, 1 - confidence, in a turned face and in the same face as it is."""
_PATCH = CropSpec(size=160, margin=2.0)
_PATCH_MIN_FACE_PX = 40.0
_MAX_TURNED = 16
"""Weak faces of an image that are turned, the largest first, to limit the work."""
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


class FoundFaces(NamedTuple):
    """The faces of an image, and the number of smaller ones that were left out."""

    faces: list[Face]
    left_out: int


class FaceDetector:
    """Detects the faces of a batch of images by MTCNN."""

    def __init__(self, spec: FacesSpec, cascade: Cascade) -> None:
        self.spec = spec
        self.mtcnn = MTCNN(cascade, spec.thresholds, spec.pyramid_factor)

    def detect(self, images: Sequence[Pixels]) -> list[list[Face]]:
        """Returns each image's faces, as `find` does, without their number."""
        return [found.faces for found in self.find(images)]

    def find(self, images: Sequence[Pixels]) -> list[FoundFaces]:
        """Returns each image's faces, largest first, at most `max_faces`.

        The smallest face that is detected measures `min_face_px`, or 20 px after the image is
        scaled to `working_long_side`, whichever is larger.
        """
        detections = self.mtcnn.detect(images, [self._min_face_px(image) for image in images])
        limit = self.spec.max_faces
        found = [_faces(each, image) for each, image in zip(detections, images, strict=True)]
        return [
            FoundFaces(self._with_turned(image, faces[:limit]), max(0, len(faces) - limit))
            for image, faces in zip(images, found, strict=True)
        ]

    def refine(self, image: Pixels, boxes: Sequence[Box]) -> list[Face]:
        """Returns the faces around these boxes, largest first, without a search for others."""
        return _faces(self.mtcnn.refine(image, np.array(boxes, np.float32)), image)

    def _with_turned(self, image: Pixels, faces: list[Face]) -> list[Face]:
        """Replaces weak faces by what a quarter or half turn shows; drops those that are none."""
        weak = [face for face in faces if face.confidence < CERTAIN]
        turned = dict(zip(weak, self._turned(image, weak[:_MAX_TURNED]), strict=False))
        best = [turned.get(face, face) for face in faces]
        return [face for face in best if face.confidence >= CERTAIN or face.is_plausible]

    def _turned(self, image: Pixels, faces: Sequence[Face]) -> list[Face]:
        patches = [crop_face(image, face.box, _PATCH) for face in faces]
        views = [np.ascontiguousarray(np.rot90(patch, k)) for patch in patches for k in (1, 2, 3)]
        detections = self.mtcnn.detect(views, [_PATCH_MIN_FACE_PX] * len(views))
        best = list(faces)
        for number, each in enumerate(detections):
            index, turns = number // 3, number % 3 + 1
            for face in _central(_faces(each, views[number])):
                doubt = (1 - face.confidence) / (1 - faces[index].confidence)
                if doubt < _TURNED_DOUBT and face.confidence > best[index].confidence:
                    best[index] = _placed(face, turns, faces[index])
        return best

    def _min_face_px(self, image: Pixels) -> float:
        longest = int(max(image.shape[:2]))
        scale = min(1.0, self.spec.working_long_side / longest)
        return max(self.spec.min_face_px, _MIN_WORKING_FACE_PX / scale)


def _faces(detections: Detections, image: Pixels) -> list[Face]:
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


def _central(faces: Sequence[Face]) -> list[Face]:
    """Selects the faces of a patch that hold its centre."""
    centre = _PATCH.size / 2
    return [
        face
        for face in faces
        if face.box[0] < centre < face.box[2] and face.box[1] < centre < face.box[3]
    ]


def _placed(face: Face, turns: int, original: Face) -> Face:
    """Moves a face from a patch, turned counterclockwise, to the image of the original."""
    left, top, side = square_around(original.box, _PATCH.margin)
    x1, y1, x2, y2 = face.box
    points = np.array([(x1, y1), (x2, y2), *face.landmarks])
    for _ in range(turns):
        points = np.stack([_PATCH.size - points[:, 1], points[:, 0]], 1)
    points = points * (side / _PATCH.size) + (left, top)
    low, high = points[:2].min(0), points[:2].max(0)
    box = float(low[0]), float(low[1]), float(high[0]), float(high[1])
    return Face(box, tuple((float(x), float(y)) for x, y in points[2:]), face.confidence)
