"""Faces that a client has found already, and the sizes of faces that it has cut already.

An ensemble finds the faces of an image once. Its members get the image with these faces, so each
cuts the crops that it would have cut by itself.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from deepfake_serving.contracts.problems import InvalidRequest

MAX_GIVEN_FACES = 256
"""Limit of faces per image."""
_MAX_COORDINATE = 100_000.0

Point = tuple[float, float]


class GivenFace(NamedTuple):
    """A face in pixels of the image: `box` x1, y1, x2, y2; `landmarks` five x, y; 0..1."""

    box: tuple[float, float, float, float]
    landmarks: tuple[Point, ...]
    confidence: float


def parse_faces(value: Any, images: int) -> list[tuple[GivenFace, ...]]:
    """Parses the parameter `faces`: a list per image of `{box, landmarks, detection_confidence}`.

    Args:
        value: the list, or its JSON as text.

    Raises:
        InvalidRequest: it is malformed; the message says how.
    """
    per_image = _list(value, "faces", images)
    return [tuple(_face(face) for face in _faces(faces)) for faces in per_image]


def parse_face_px(value: Any, crops: int) -> list[float]:
    """Parses the parameter `face_px`: for each crop the longer side of its face, source pixels.

    Raises:
        InvalidRequest: it is malformed; the message says how.
    """
    sides = [_number(side) for side in _list(value, "face_px", crops)]
    if any(side <= 0 for side in sides):
        raise InvalidRequest("face_px: a face has at least one pixel")
    return sides


def _list(value: Any, name: str, count: int) -> list[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"the parameter {name} is not JSON") from error
    if not isinstance(value, list) or len(value) != count:
        raise InvalidRequest(f"the parameter {name} is a list of {count} entries, one per item")
    return value


def _faces(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_GIVEN_FACES:
        raise InvalidRequest(f"faces: an image has a list of at most {MAX_GIVEN_FACES} faces")
    return value


def _face(value: Any) -> GivenFace:
    try:
        x1, y1, x2, y2 = map(_number, value["box"])
        points = tuple((_number(x), _number(y)) for x, y in value["landmarks"])
        confidence = _number(value["detection_confidence"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidRequest(
            "faces: a face has box, landmarks and detection_confidence, all of numbers"
        ) from error
    if x2 <= x1 or y2 <= y1 or len(points) != 5:
        raise InvalidRequest("faces: a box is x1 < x2, y1 < y2; landmarks are five points")
    return GivenFace((x1, y1, x2, y2), points, confidence)


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise InvalidRequest("faces: a coordinate is a number")
    if abs(value) > _MAX_COORDINATE:
        raise InvalidRequest(f"faces: a coordinate is at most {_MAX_COORDINATE:.0f}")
    return float(value)
