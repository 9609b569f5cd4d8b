"""The attacked crops: one face from each of a few media files, balanced by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.data.face_regions import FaceRegion, face_regions
from deepfake_serving.training.data.landmarks import build_face_detector
from deepfake_serving.training.data.media import MediaFile, read_media
from model_handlers.manifest import Manifest
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceDetector

Images = npt.NDArray[np.float32]
"""(n, 3, s, s), RGB in 0..1."""


@dataclass(frozen=True, slots=True)
class TargetCrops:
    """Crops of n faces: `images`, whether each is `fake` (n,), and its size in pixels (n,)."""

    images: Images
    fake: npt.NDArray[np.bool_]
    face_px: npt.NDArray[np.float64]

    def subset(self, indices: npt.NDArray[np.bool_] | slice) -> TargetCrops:
        """Returns the crops at `indices`."""
        return TargetCrops(self.images[indices], self.fake[indices], self.face_px[indices])


def read_target_crops(
    root: Path, manifest: Manifest, count: int, seed: int = 0, cache: Path | None = None
) -> TargetCrops:
    """Draws `count` crops from `root` (real/, fake/), half of them of each class.

    Raises:
        ValueError: a class is missing, or none of its media shows a face.
    """
    rng, face_detector = np.random.default_rng(seed), build_face_detector(manifest.faces)
    media = read_media(root)
    regions: list[FaceRegion] = []
    labels: list[bool] = []
    for fake in (False, True):
        files = [file for file in media if file.fake == fake]
        drawn = list(_draw_regions(files, count // 2, rng, face_detector, cache))
        regions += drawn
        labels += [fake] * len(drawn)
    if len(set(labels)) < 2:
        raise ValueError(f"{root}: an attack needs faces of both classes")
    crops = [crop_face(region.pixels, region.box, manifest.crop) for region in regions]
    return TargetCrops(
        to_images(crops), np.array(labels), np.array([region.face_px for region in regions])
    )


def _draw_regions(
    files: Sequence[MediaFile],
    count: int,
    rng: np.random.Generator,
    face_detector: FaceDetector,
    cache: Path | None,
) -> Iterator[FaceRegion]:
    drawn = 0
    for index in rng.permutation(len(files)):
        if drawn == count:
            return
        for region in face_regions(files[index], 1, face_detector, cache):
            drawn += 1
            yield region


def to_images(crops: Sequence[Pixels]) -> Images:
    """Converts uint8 (s, s, 3) crops to (n, 3, s, s) in 0..1."""
    stacked = np.stack(crops).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(stacked, np.float32) / np.float32(255)


def to_crops(images: Images) -> list[Pixels]:
    """Converts (n, 3, s, s) in 0..1 to uint8 (s, s, 3) crops."""
    return list(np.round(images * 255).astype(np.uint8).transpose(0, 2, 3, 1))


def quantize(images: Images) -> Images:
    """Rounds to 256 levels, as a file stores them."""
    rounded: Images = np.round(images * 255).astype(np.float32) / np.float32(255)
    return rounded
