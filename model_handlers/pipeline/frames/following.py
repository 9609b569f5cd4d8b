"""Faces of consecutive frames: detected in some, followed in between.

A followed face is found by R-Net and O-Net alone, around its box in the frame before, as MTCNN
corrects the proposals of P-Net. P-Net and the image pyramid, which cost most of a detection, run in
every few frames only, and where following is not certain.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from model_handlers.items import Options
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.face import FoundFaces, in_reading_order
from model_handlers.pipeline.faces import FaceDetector

_EVERY = 4
"""Frames per full detection: a face that appears is missed in at most three frames."""
_MAX_CHANGE = 20.0
"""Mean difference of two frames' pixels above which they may be of different shots."""
_GRID = 32
"""Rows and columns of the pixels that are compared, at most."""
MIN_OVERLAP = 0.3
"""Minimum intersection over union of the boxes of a face in two frames."""


def find_faces(
    detector: FaceDetector, images: Sequence[Pixels], options: Sequence[Options]
) -> list[FoundFaces]:
    """Returns each image's faces, in reading order; through frames of a video they are followed."""
    found: list[FoundFaces] = []
    pairs = zip(images, options, strict=True)
    for video, members in groupby(pairs, key=lambda pair: video_of(*pair)):
        group = [image for image, _ in members]
        each = FaceFollower(detector).find(group) if video else detector.find(group)
        found += [one._replace(faces=in_reading_order(one.faces)) for one in each]
    return found


def video_of(image: Pixels, options: Options) -> tuple[int, ...] | None:
    """Returns what the frames of one video have in common; None for an image by itself."""
    return (options.request, *image.shape) if options.follow else None


class FaceFollower:
    """Finds the faces of frames in their order."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector

    def find(self, frames: Sequence[Pixels]) -> list[FoundFaces]:
        """Returns each frame's faces, as `FaceDetector.find` does.

        Turned faces are not searched again in a frame like one that has none.

        Args:
            frames: uint8 (h, w, 3) RGB of one size, of one video, in its order.
        """
        found: list[FoundFaces] = []
        for number, frame in enumerate(frames):
            follows = number % _EVERY > 0 and are_alike(frames[number - 1], frame)
            followed = self._refine(frame, found[-1]) if follows else None
            turned = not follows or bool(found[-1].faces)
            found.append(followed or self._detector.find([frame], turned)[0])
        return found

    def _refine(self, frame: Pixels, last: FoundFaces) -> FoundFaces | None:
        """Returns the same faces in the next frame; None if one of them is not certain."""
        if not last.faces or last.left_out or not all(face.is_certain for face in last.faces):
            return None
        faces = self._detector.refine(frame, [face.box for face in last.faces])
        if len(faces) != len(last.faces) or not all(face.is_certain for face in faces):
            return None
        if any(max(face.overlap(other) for other in faces) < MIN_OVERLAP for face in last.faces):
            return None
        return FoundFaces(faces, 0)


def are_alike(one: Pixels, other: Pixels) -> bool:
    """Returns whether two frames of one size seem to be of the same shot."""
    step = max(1, min(one.shape[:2]) // _GRID)
    sparse = (image[::step, ::step].astype(np.int16) for image in (one, other))
    return float(np.abs(next(sparse) - next(sparse)).mean()) <= _MAX_CHANGE
