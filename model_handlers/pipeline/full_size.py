"""Coordinates of images that were decoded at half their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from deepfake_serving.contracts.verdict import (
    CropVerdict,
    FaceVerdict,
    FoundFace,
    ImageFaces,
    Result,
)
from model_handlers.given_faces import GivenFace
from model_handlers.images.jpeg.half_size import FACTOR
from model_handlers.items import Options
from model_handlers.pipeline.decode import DecodedImage

AFace = TypeVar("AFace", FaceVerdict, FoundFace)


def in_decoded_pixels(options: Options, image: DecodedImage) -> Options:
    """Returns options whose faces are in pixels of the decoded image."""
    if image.full_size is None or options.faces is None:
        return options
    return replace(options, faces=tuple(_halved(face) for face in options.faces))


def in_image_pixels(result: Result, image: DecodedImage) -> Result:
    """Returns a result whose size, boxes and landmarks are in pixels of the image that was sent."""
    if image.full_size is None or isinstance(result, CropVerdict):
        return result
    width, height = image.full_size
    if isinstance(result, ImageFaces):
        found = [_doubled_face(face, image.full_size) for face in result.faces]
        return replace(result, faces=found, width=width, height=height)
    faces = [_doubled_face(face, image.full_size) for face in result.faces]
    return replace(result, faces=faces, width=width, height=height)


def _halved(face: GivenFace) -> GivenFace:
    x1, y1, x2, y2 = (value / FACTOR for value in face.box)
    landmarks = tuple((x / FACTOR, y / FACTOR) for x, y in face.landmarks)
    return face._replace(box=(x1, y1, x2, y2), landmarks=landmarks)


def _doubled_face(face: AFace, size: tuple[int, int]) -> AFace:
    box = _doubled(face.box, size)
    return replace(face, box=box, landmarks=[_doubled(point, size) for point in face.landmarks])


def _doubled(xy: Sequence[float], size: tuple[int, int]) -> list[float]:
    """Returns x, y, x, y, … in an image whose odd last line or column may be half a pixel."""
    return [min(value * FACTOR, size[n % 2]) for n, value in enumerate(xy)]
