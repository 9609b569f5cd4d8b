"""Pairs by index: seed, epoch and index determine the source, the faces and their augmentation."""

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
from deepfake_serving.training.sources.draw import Face, SourceSampler, surroundings
from deepfake_serving.training.sources.pack import INDEX, Pack
from deepfake_serving.training.sources.region import Box
from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels

_SHIFT = 0.04


class CropPair(NamedTuple):
    """Crops uint8 (s, s, 3) and their fake shares (s, s) in 0..1; s differs between pairs."""

    real: Pixels
    fake: Pixels
    real_mask: Mask
    fake_mask: Mask
    source: str


class Mixture:
    """All sources of a training run as one endless list of pairs; `data` is a digest of them."""

    def __init__(self, spec: MixtureConfig, packs: Mapping[str, Pack], seed: int) -> None:
        self.spec, self.seed = spec, seed
        self.data = " ".join(pack.digest for pack in packs.values())
        self._names = list(spec.sources)
        shares = np.array([spec.sources[name].share for name in self._names])
        self._probabilities = shares / shares.sum()
        self._samplers = {
            name: SourceSampler(spec.sources[name], spec, packs) for name in self._names
        }

    def pair(self, epoch: int, index: int) -> CropPair:
        """Returns pair `index` of an epoch, augmented and cropped."""
        rng = np.random.default_rng([self.seed, 5, epoch, index])
        name = str(rng.choice(self._names, p=self._probabilities))
        source = self.spec.sources[name]
        drawn = self._samplers[name](rng)
        views = []
        seeds = rng.integers(2**63, size=2)
        size = int(rng.integers(self.spec.sizes[0], self.spec.sizes[1] + 1))
        for face, seed in ((drawn.real, seeds[0]), (drawn.fake, seeds[0 if drawn.paired else 1])):
            face_rng = np.random.default_rng(seed)
            if face_rng.random() < source.tighten:
                face = tighten(face, float(face_rng.uniform(1.0, 1.3)))
            steps = draw_augmentation(
                _side(face.portrait.box), self.spec.augmentation, face_rng, source.requality
            )
            views.append(self._view(face, steps, face_rng, size))
        (real, real_mask), (fake, fake_mask) = views
        return CropPair(real, fake, real_mask, fake_mask, name)

    def _view(
        self,
        face: Face,
        steps: list[Transform],
        rng: np.random.Generator,
        size: int,
    ) -> tuple[Pixels, Mask]:
        """Augments an image, crops the face as in service, and flips half of the crops."""
        pixels = apply(steps, face.pixels)
        scale = pixels.shape[1] / face.pixels.shape[1]
        box = _jitter(face.portrait.box, scale, rng)
        crop = CropSpec(size=size, margin=float(rng.uniform(*self.spec.margins)))
        grey = (face.mask * 255).astype(np.uint8)
        mask = cv2.resize(grey, pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
        flip = rng.random() < 0.5
        parts = []
        for part in (pixels, np.repeat(mask[:, :, None], 3, axis=2).astype(np.uint8)):
            cropped = crop_face(part, box, crop)
            parts.append(np.ascontiguousarray(cropped[:, ::-1] if flip else cropped))
        return parts[0], parts[1][:, :, 0].astype(np.float32) / np.float32(255)


def read_packs(spec: MixtureConfig, root: Path) -> dict[str, Pack]:
    """Opens all packs that a mixture names, below `root`.

    Raises:
        ValueError: some are missing, or of another version.
    """
    named = {name for source in spec.sources.values() for name in {*source.reals, *source.fakes}}
    names = sorted(named)
    if missing := [name for name in names if not (root / name / INDEX).is_file()]:
        raise ValueError(f"{root}: no pack of {', '.join(missing)}, which the settings name")
    return {name: Pack(root / name) for name in names}


def tighten(face: Face, margin: float) -> Face:
    """Crops a face to `margin` times its side."""
    pixels, portrait = surroundings(face.pixels, face.portrait, margin)
    mask, _ = surroundings(face.mask, face.portrait, margin)
    return Face(pixels, portrait, mask)


def _side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _jitter(box: Box, scale: float, rng: np.random.Generator) -> list[float]:
    shift = rng.normal(0, _SHIFT, 2) * _side(box)
    return [float(v) * scale for v in np.array(box) + np.tile(shift, 2)]
