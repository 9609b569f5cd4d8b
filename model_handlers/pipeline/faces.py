"""Face detection: from images to faces, largest first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_handlers.manifest import FacesSpec
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detection.mtcnn import MTCNN
from model_handlers.pipeline.detection.turned import (
    find_turns,
    is_upright,
    merge,
    turn_back,
    turn_faces,
)
from model_handlers.pipeline.face import Box, Face, FoundFaces, faces_in
from model_handlers.pipeline.graph import Cascade

_MIN_WORKING_FACE_PX = 20.0
"""px; MTCNN was trained on faces of about this size and up, and is mostly wrong below."""


class FaceDetector:
    """Detects the faces of a batch of images by MTCNN."""

    def __init__(self, spec: FacesSpec, cascade: Cascade) -> None:
        self.spec = spec
        self.mtcnn = MTCNN(cascade, spec.thresholds, spec.pyramid_factor)

    def detect(self, images: Sequence[Pixels]) -> list[list[Face]]:
        """Returns each image's faces, as `find` does, without their number."""
        return [found.faces for found in self.find(images)]

    def find(self, images: Sequence[Pixels], turned: bool = True) -> list[FoundFaces]:
        """Returns each image's faces, largest first, at most `max_faces`.

        The smallest face that is detected measures `min_face_px`, or 20 px after the image is
        scaled to `working_long_side`, whichever is larger.

        Args:
            turned: whether an image without a certain upright face is searched for faces of an
                eighth of its longer side that lie on their side or are upside down, too.
        """
        found = self._find_upright(images)
        if not turned:
            return found
        return [
            each if any(map(is_upright, each.faces)) else self._add_turned(image, each)
            for image, each in zip(images, found, strict=True)
        ]

    def refine(self, image: Pixels, boxes: Sequence[Box]) -> list[Face]:
        """Returns the faces around these boxes, largest first, without a search for others."""
        return faces_in(self.mtcnn.refine(image, np.array(boxes, np.float32)), image)

    def _find_upright(self, images: Sequence[Pixels]) -> list[FoundFaces]:
        detections = self.mtcnn.detect(images, [self._min_face_px(image) for image in images])
        limit = self.spec.max_faces
        found = [faces_in(each, image) for each, image in zip(detections, images, strict=True)]
        return [
            FoundFaces(turn_faces(self.mtcnn, image, faces[:limit]), max(0, len(faces) - limit))
            for image, faces in zip(images, found, strict=True)
        ]

    def _add_turned(self, image: Pixels, found: FoundFaces) -> FoundFaces:
        turns = find_turns(self.mtcnn, image)
        if not turns:
            return found
        height, width = image.shape[:2]
        [view] = self._find_upright([np.ascontiguousarray(np.rot90(image, turns))])
        faces = merge(found.faces, [turn_back(face, turns, width, height) for face in view.faces])
        limit = self.spec.max_faces
        left_out = found.left_out + view.left_out + max(0, len(faces) - limit)
        return FoundFaces(faces[:limit], left_out)

    def _min_face_px(self, image: Pixels) -> float:
        longest = int(max(image.shape[:2]))
        scale = min(1.0, self.spec.working_long_side / longest)
        return max(self.spec.min_face_px, _MIN_WORKING_FACE_PX / scale)
