"""Pairs by number: seed, epoch and place decide the source, the faces and their augmentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from deepfake_serving.training.config.mixture import MixtureConfig
from deepfake_serving.training.data.masks import Mask
from deepfake_serving.training.sources.augment.augmentation import draw_augmentation
from deepfake_serving.training.sources.augment.transform import Transform, apply
from deepfake_serving.training.sources.draw import Drawer, Face, surroundings
from deepfake_serving.training.sources.pack import Pack
from deepfake_serving.training.sources.region import Box
from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels

_SHIFT = 0.04


class CropPair(NamedTuple):
    """uint8 (s, s, 3) crops and what of them is fake, (s, s) in 0..1; s differs between pairs."""

    real: Pixels
    fake: Pixels
    real_mask: Mask
    fake_mask: Mask
    source: str


class Mixture:
    """All sources of a training as one endless list of pairs."""

    def __init__(self, spec: MixtureConfig, packs: Mapping[str, Pack], seed: int) -> None:
        self.spec, self.seed = spec, seed
        self._names = list(spec.sources)
        shares = np.array([spec.sources[name].share for name in self._names])
        self._chances = shares / shares.sum()
        self._drawers = {name: Drawer(spec.sources[name], spec, packs) for name in self._names}

    def pair(self, epoch: int, index: int) -> CropPair:
        """Pair `index` of an epoch, augmented and cropped."""
        rng = np.random.default_rng([self.seed, 5, epoch, index])
        name = str(rng.choice(self._names, p=self._chances))
        source = self.spec.sources[name]
        drawn = self._drawers[name](rng)
        views = []
        ways = rng.integers(2**63, size=2)
        size = int(rng.integers(self.spec.sizes[0], self.spec.sizes[1] + 1))
        for face, way in ((drawn.real, ways[0]), (drawn.fake, ways[0 if drawn.alike else 1])):
            own = np.random.default_rng(way)
            if own.random() < source.tighten:
                face = tightened(face, float(own.uniform(1.0, 1.3)))
            steps = draw_augmentation(_side(face.portrait.box), own, source.requality)
            views.append(self._view(face, steps, own, size))
        (real, real_mask), (fake, fake_mask) = views
        return CropPair(real, fake, real_mask, fake_mask, name)

    def _view(
        self,
        face: Face,
        steps: list[Transform],
        rng: np.random.Generator,
        size: int,
    ) -> tuple[Pixels, Mask]:
        """One image through its augmentation, cut as the service cuts, and flipped."""
        pixels = apply(steps, face.pixels)
        scale = pixels.shape[1] / face.pixels.shape[1]
        box = _jittered(face.portrait.box, scale, rng)
        crop = CropSpec(size=size, margin=float(rng.uniform(*self.spec.margins)))
        grey = (face.mask * 255).astype(np.uint8)
        mask = cv2.resize(grey, pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
        flip = rng.random() < 0.5
        parts = []
        for part in (pixels, np.repeat(mask[:, :, None], 3, axis=2).astype(np.uint8)):
            cut = crop_face(part, box, crop)
            parts.append(np.ascontiguousarray(cut[:, ::-1] if flip else cut))
        return parts[0], parts[1][:, :, 0].astype(np.float32) / np.float32(255)


def read_packs(spec: MixtureConfig, root: Path) -> dict[str, Pack]:
    """All packs that a mixture names, below `root`."""
    names = {name for source in spec.sources.values() for name in {*source.reals, *source.fakes}}
    return {name: Pack(root / name) for name in sorted(names)}


def tightened(face: Face, margin: float) -> Face:
    """Without the surroundings beyond `margin` times the face's side."""
    pixels, portrait = surroundings(face.pixels, face.portrait, margin)
    mask, _ = surroundings(face.mask, face.portrait, margin)
    return Face(pixels, portrait, mask)


def _side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _jittered(box: Box, scale: float, rng: np.random.Generator) -> list[float]:
    shift = rng.normal(0, _SHIFT, 2) * _side(box)
    return [float(v) * scale for v in np.array(box) + np.tile(shift, 2)]
