"""Packs folders: detects faces in batches and skips useless pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from deepfake_serving.training.data.images import read_image, readable
from deepfake_serving.training.data.portraits import Portrait, Swap
from deepfake_serving.training.sources.listing import ListedImage, list_folder
from deepfake_serving.training.sources.pack import Example, write_pack
from deepfake_serving.training.sources.region import MAX_SIDE_PX, Box, crop_region, encode
from model_handlers.manifest import FacesSpec
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.face import Face
from model_handlers.pipeline.faces import FaceDetector

FACES = FacesSpec(min_face_px=60, working_long_side=480)
"""Training images show one large face; searching for small ones would take most of the time."""

_BATCH = 32
_MAX_CORRELATION = 0.985
_MIN_BRIGHTNESS = 20.0


def pack_folder(root: Path, face_detector: FaceDetector, out: Path, whole: bool = False) -> int:
    """Packs `root`; see `list_folder` and `write_pack`. Returns the number of examples."""
    return write_pack(examples(list_folder(root), face_detector), out, whole)


def examples(listed: Sequence[ListedImage], face_detector: FaceDetector) -> Iterator[Example]:
    """Yields an example of every image with a face, originals before their fakes.

    A fake of a known original inherits its box and landmarks, so that both are cropped equally. It
    is skipped if it hardly differs from its original or if it is almost black. So is an image that
    can't be decoded.
    """
    faces: dict[Path, Face] = {}
    without_original = [item for item in listed if item.original is None]
    for start in range(0, len(without_original), _BATCH):
        batch = without_original[start : start + _BATCH]
        read = [(item, readable(item.path)) for item in batch]
        images = [(item, image) for item, image in read if image is not None]
        detected = face_detector.detect([image for _, image in images])
        for (item, image), found in zip(images, detected, strict=True):
            if found:
                faces[item.path] = max(found, key=lambda face: face.area)
                yield _example(item, image, faces[item.path])
    for item in listed:
        if item.original is not None and (face := faces.get(item.original.path)):
            fake = readable(item.path)
            if fake is not None and is_altered(read_image(item.original.path), fake):
                yield _example(item, fake, face)


def is_altered(real: Pixels, fake: Pixels) -> bool:
    """Returns whether a fake differs from its original and is not almost black."""
    if real.shape != fake.shape or fake.mean() < _MIN_BRIGHTNESS:
        return False
    first, second = (p[::2, ::2].astype(np.float32).ravel() for p in (real, fake))
    return float(np.corrcoef(first, second)[0, 1]) < _MAX_CORRELATION


def portrait_examples(portraits: Sequence[Portrait]) -> Iterator[Example]:
    """Yields examples of portraits whose faces are known."""
    for portrait in portraits:
        image, box, points = crop_region(portrait.pixels(), portrait.box, portrait.points)
        name = f"real/{portrait.path.name}"
        yield Example(name, encode(image), False, portrait.identity, "", box, points)


def swap_examples(swaps: Sequence[Swap]) -> Iterator[Example]:
    """Yields two examples of every real swap: the original, and the fake with the same box."""
    for swap in swaps:
        portrait, real = swap.portrait, f"real/{swap.portrait.path.name}"
        for name, path, fake in ((real, portrait.path, False), ("", swap.fake, True)):
            image, box, points = crop_region(read_image(path), portrait.box, portrait.points)
            yield Example(
                *(name or f"fake/{path.name}", encode(image), fake, portrait.identity),
                *(real if fake else "", box, points),
            )


def _example(item: ListedImage, image: Pixels, face: Face) -> Example:
    points = np.array(face.landmarks, np.float32)
    data, box = item.path.read_bytes(), face.box
    if max(image.shape[:2]) > MAX_SIDE_PX:
        small, box, points = crop_region(image, face.box, points)
        data = encode(small)
    original = item.original.name if item.original else ""
    return Example(item.name, data, item.fake, item.identity, original, _as_floats(box), points)


def _as_floats(box: Box) -> Box:
    x1, y1, x2, y2 = (float(v) for v in box)
    return x1, y1, x2, y2
