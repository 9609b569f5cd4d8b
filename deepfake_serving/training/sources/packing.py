"""Folders to packs: faces found in batches, useless pairs left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from deepfake_serving.training.data.portraits import Portrait, Swap
from deepfake_serving.training.sources.listing import Listed, list_folder
from deepfake_serving.training.sources.pack import Example, write_pack
from deepfake_serving.training.sources.region import LARGEST, Box, cut, encode
from model_handlers.manifest import DecodeSpec, FacesSpec
from model_handlers.pipeline.decode import Pixels, decode
from model_handlers.pipeline.faces import Face, FaceDetector

FINDER = FacesSpec(min_face_px=60, working_long_side=480)
"""Training images show one large face: looking for smaller ones would take most of the time."""

_BATCH = 32
_UNALTERED = 0.985
_DARK = 20.0


def pack_folder(root: Path, finder: FaceDetector, out: Path, whole: bool = False) -> int:
    """Packs `root` (see `listing`; `whole`: `write_pack`); the number of examples."""
    return write_pack(examples(list_folder(root), finder), out, whole)


def examples(listed: Sequence[Listed], finder: FaceDetector) -> Iterator[Example]:
    """An example of every image that shows a face; originals before their fakes.

    A fake of a known original takes its box and landmarks, so that both are cut alike, and is left
    out where it hardly differs from it or where both are almost black.
    """
    faces: dict[Path, Face] = {}
    apart = [item for item in listed if item.original is None]
    for start in range(0, len(apart), _BATCH):
        batch = apart[start : start + _BATCH]
        images = [_decoded(item.path) for item in batch]
        for item, image, found in zip(batch, images, finder.detect(images), strict=True):
            if found:
                faces[item.path] = max(found, key=lambda face: face.area)
                yield _example(item, image, faces[item.path])
    for item in listed:
        if item.original is not None and (face := faces.get(item.original)):
            image = _decoded(item.path)
            if altered(_decoded(item.original), image):
                yield _example(item, image, face)


def altered(real: Pixels, fake: Pixels) -> bool:
    """Whether a fake shows anything: its correlation with its original, its brightness."""
    if real.shape != fake.shape or fake.mean() < _DARK:
        return False
    first, second = (p[::2, ::2].astype(np.float32).ravel() for p in (real, fake))
    return float(np.corrcoef(first, second)[0, 1]) < _UNALTERED


def portrait_examples(portraits: Sequence[Portrait]) -> Iterator[Example]:
    """Examples of portraits that were located before."""
    for portrait in portraits:
        image, box, points = cut(portrait.pixels(), portrait.box, portrait.points)
        name = f"real/{portrait.path.name}"
        yield Example(name, encode(image), False, portrait.identity, "", box, points)


def swap_examples(swaps: Sequence[Swap]) -> Iterator[Example]:
    """Two examples of every real swap: the original, and the fake with its box."""
    for swap in swaps:
        portrait, real = swap.portrait, f"real/{swap.portrait.path.name}"
        for name, path, fake in ((real, portrait.path, False), ("", swap.fake, True)):
            image, box, points = cut(_decoded(path), portrait.box, portrait.points)
            yield Example(
                *(name or f"fake/{path.name}", encode(image), fake, portrait.identity),
                *(real if fake else "", box, points),
            )


def _example(item: Listed, image: Pixels, face: Face) -> Example:
    points = np.array(face.landmarks, np.float32)
    data, box = item.path.read_bytes(), face.box
    if max(image.shape[:2]) > LARGEST:
        small, box, points = cut(image, face.box, points)
        data = encode(small)
    original = f"real/{item.original.name}" if item.original else ""
    return Example(item.name, data, item.fake, item.identity, original, _floats(box), points)


def _floats(box: Box) -> Box:
    x1, y1, x2, y2 = (float(v) for v in box)
    return x1, y1, x2, y2


def _decoded(path: Path) -> Pixels:
    return decode(path.read_bytes(), DecodeSpec())
