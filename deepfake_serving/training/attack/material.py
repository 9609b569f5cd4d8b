"""The crops that are attacked: one face of each of a few media, as many real as fake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.data.locate import finder
from deepfake_serving.training.material import face_regions, read_media
from model_handlers.manifest import Manifest
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels

Pictures = npt.NDArray[np.float32]
"""(n, 3, s, s), RGB in 0..1."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Crops of n faces: `pictures`, whether each is `fake` (n,), and its side in pixels (n,)."""

    pictures: Pictures
    fake: npt.NDArray[np.bool_]
    face_px: npt.NDArray[np.float64]

    def at(self, places: npt.NDArray[np.bool_] | slice) -> Targets:
        """Those at `places`."""
        return Targets(self.pictures[places], self.fake[places], self.face_px[places])


def targets(
    root: Path, manifest: Manifest, count: int, seed: int = 0, cache: Path | None = None
) -> Targets:
    """Crops from `root` (real/, fake/), half of the `count` of each kind, drawn by `seed`.

    Raises:
        ValueError: one kind is missing, or none of its media shows a face.
    """
    rng, faces = np.random.default_rng(seed), finder(manifest.faces)
    media = read_media(root)
    crops: list[Pixels] = []
    sides: list[float] = []
    labels: list[bool] = []
    for fake in (False, True):
        mine = [medium for medium in media if medium.fake == fake]
        for place in rng.permutation(len(mine)):
            if labels.count(fake) == count // 2:
                break
            for region in face_regions(mine[place], 1, faces, cache):
                crops.append(crop_face(region.pixels, region.box, manifest.crop))
                sides.append(region.face_px)
                labels.append(fake)
    if len(set(labels)) < 2:
        raise ValueError(f"{root}: an attack needs faces of both kinds")
    return Targets(to_pictures(crops), np.array(labels), np.array(sides))


def to_pictures(crops: Sequence[Pixels]) -> Pictures:
    """uint8 (s, s, 3) crops → (n, 3, s, s) in 0..1."""
    stacked = np.stack(crops).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(stacked, np.float32) / np.float32(255)


def to_crops(pictures: Pictures) -> list[Pixels]:
    """The way back from `to_pictures`."""
    return list(np.round(pictures * 255).astype(np.uint8).transpose(0, 2, 3, 1))


def as_saved(pictures: Pictures) -> Pictures:
    """The same in 256 levels, as a file would hold them."""
    rounded: Pictures = np.round(pictures * 255).astype(np.float32) / np.float32(255)
    return rounded
