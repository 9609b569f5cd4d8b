"""Faces that don't stand upright, found in turned views of an image.

MTCNN finds upright faces. Of those that lie on their side it finds a third, hardly ever surely, and
puts their eyes and mouths in the wrong places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face, square_around
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detection.mtcnn import MTCNN
from model_handlers.pipeline.face import CERTAIN, Face, faces_in

_TURNS = (1, 2, 3)
"""Quarter turns, counterclockwise, of the views."""
_COPY_SIDE = 256
"""Smallest longer side of the copy in which turned faces are searched, in px."""
_MIN_FACE = 1 / 8
"""Smallest face that is searched in it, as a share of the longer side."""
_MAX_UPRIGHT_ROLL = 45.0
_PATCH = CropSpec(size=160, margin=2.0)
_PATCH_MIN_FACE_PX = 40.0
_MAX_DOUBT = 0.1
"""Largest ratio of the doubts, 1 - confidence, in a turned face and in the same face as it is."""
_MAX_FACES = 16
"""Weak faces of an image that are turned, the largest first, to limit the work."""


def is_upright(face: Face) -> bool:
    """Returns whether the face is certain, and leans by less than half a quarter turn."""
    return face.is_certain and abs(face.roll) <= _MAX_UPRIGHT_ROLL


def turn_faces(mtcnn: MTCNN, image: Pixels, faces: Sequence[Face]) -> list[Face]:
    """Replaces weak faces by what a quarter or half turn shows; drops those that are none."""
    weak = [face for face in faces if face.confidence < CERTAIN][:_MAX_FACES]
    turned = dict(zip(weak, _search_patches(mtcnn, image, weak), strict=True))
    best = [turned.get(face, face) for face in faces]
    return [face for face in best if face.confidence >= CERTAIN or face.is_plausible]


def find_turns(mtcnn: MTCNN, image: Pixels) -> int:
    """Searches turned views of a small copy for upright faces of an eighth of its longer side.

    Returns:
        The quarter turns, counterclockwise, of the view with the most certain faces; 0 if no view
        has any.
    """
    copy = _copy(image)
    views = [np.ascontiguousarray(np.rot90(copy, turns)) for turns in _TURNS]
    detections = mtcnn.detect(views, [_MIN_FACE * max(copy.shape[:2])] * len(views))
    evidence = {
        turns: sum(_evidence(face) for face in faces_in(found, view) if is_upright(face))
        for turns, view, found in zip(_TURNS, views, detections, strict=True)
    }
    best = max(evidence, key=lambda turns: evidence[turns])
    return best if evidence[best] else 0


def turn_back(face: Face, turns: int, width: int, height: int) -> Face:
    """Moves a face to where it was before the image was turned.

    Args:
        turns: quarter turns, counterclockwise.
        width: px of the image before it was turned, as `height`.
    """
    x1, y1, x2, y2 = face.box
    points = np.array([(x1, y1), (x2, y2), *face.landmarks])
    for remaining in range(turns, 0, -1):
        before = width if remaining % 2 else height
        points = np.stack([before - points[:, 1], points[:, 0]], 1)
    return _with_points(face, points)


def merge(faces: Sequence[Face], turned: Sequence[Face]) -> list[Face]:
    """Adds turned faces to the certain ones of the image as it is that are at other places.

    Returns:
        All faces, largest first.
    """
    others = [
        face
        for face in faces
        if face.is_certain and not any(_at_one_place(face, each) for each in turned)
    ]
    return sorted([*others, *turned], key=lambda face: -face.area)


def _copy(image: Pixels) -> Pixels:
    """Reduces the image by a whole factor, which costs a quarter of what another does."""
    height, width = image.shape[:2]
    factor = max(1, min(max(height, width) // _COPY_SIDE, height, width))
    size = width // factor, height // factor
    divisible = image[: size[1] * factor, : size[0] * factor]
    return cv2.resize(divisible, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _search_patches(mtcnn: MTCNN, image: Pixels, faces: Sequence[Face]) -> list[Face]:
    patches = [crop_face(image, face.box, _PATCH) for face in faces]
    views = [np.ascontiguousarray(np.rot90(patch, k)) for patch in patches for k in _TURNS]
    detections = mtcnn.detect(views, [_PATCH_MIN_FACE_PX] * len(views))
    best = list(faces)
    for number, each in enumerate(detections):
        index, turns = number // len(_TURNS), _TURNS[number % len(_TURNS)]
        for face in _central(faces_in(each, views[number])):
            doubt = (1 - face.confidence) / (1 - faces[index].confidence)
            if doubt < _MAX_DOUBT and face.confidence > best[index].confidence:
                best[index] = _placed(face, turns, faces[index])
    return best


def _central(faces: Sequence[Face]) -> list[Face]:
    """Selects the faces of a patch that hold its centre."""
    centre = _PATCH.size / 2
    return [face for face in faces if _holds(face, centre, centre)]


def _placed(face: Face, turns: int, original: Face) -> Face:
    """Moves a face from a turned patch to the image of the original."""
    left, top, side = square_around(original.box, _PATCH.margin)
    back = turn_back(face, turns, _PATCH.size, _PATCH.size)
    points = np.array([back.box[:2], back.box[2:], *back.landmarks])
    return _with_points(face, points * (side / _PATCH.size) + (left, top))


def _with_points(face: Face, points: npt.NDArray[np.float64]) -> Face:
    """Returns the face with two corners of its box and its landmarks moved to points (7, 2)."""
    low, high = points[:2].min(0), points[:2].max(0)
    box = float(low[0]), float(low[1]), float(high[0]), float(high[1])
    return Face(box, tuple((float(x), float(y)) for x, y in points[2:]), face.confidence)


def _evidence(face: Face) -> float:
    """Returns how surely this is a face, in nats: one sure face outweighs two unsure ones."""
    return -math.log(1 - face.confidence + 1e-6)


def _at_one_place(one: Face, other: Face) -> bool:
    return _holds(one, *_centre(other)) or _holds(other, *_centre(one))


def _holds(face: Face, x: float, y: float) -> bool:
    x1, y1, x2, y2 = face.box
    return x1 < x < x2 and y1 < y < y2


def _centre(face: Face) -> tuple[float, float]:
    x1, y1, x2, y2 = face.box
    return (x1 + x2) / 2, (y1 + y2) / 2
