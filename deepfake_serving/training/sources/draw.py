"""Random draws of a real and a fake face of one source, before augmentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.config.mixture import MixtureConfig, SourceConfig
from deepfake_serving.training.data.blending import cross_blend, self_blend
from deepfake_serving.training.data.masks import Mask, hard_mask
from deepfake_serving.training.data.portraits import Portrait, translate
from deepfake_serving.training.sources.donors import Donors
from deepfake_serving.training.sources.pack import Pack
from model_handlers.pipeline.decode import Pixels

_SURROUNDINGS = 1.6
"""Multiple of the face size: more than any crop shows, and cheaper than whole images."""


@dataclass(frozen=True, slots=True)
class Face:
    """An image uint8 (h, w, 3), its face, and the fake share (h, w) of each pixel, 0..1."""

    pixels: Pixels
    portrait: Portrait
    mask: Mask


@dataclass(frozen=True, slots=True)
class FacePair:
    """A real and a fake face.

    `paired`: both images are equal outside the fake part and must get the same augmentation.
    """

    real: Face
    fake: Face
    paired: bool


class SourceSampler:
    """Draws from the packs of one source.

    Raises:
        ValueError: a pack has none of what the source draws from it.
    """

    def __init__(
        self, spec: SourceConfig, mixture: MixtureConfig, packs: Mapping[str, Pack]
    ) -> None:
        self.spec, self.mixture, self.packs = spec, mixture, packs
        self._members = {name: _members(packs[name]) for name in {*spec.reals, *spec.fakes}}
        self._require_members()
        self._donors = {name: Donors(packs[name]) for name in spec.reals}

    def __call__(self, rng: np.random.Generator) -> FacePair:
        if self.spec.mode == "pairs":
            return self._pair(rng)
        return self._classes(rng) if self.spec.mode == "classes" else self._blend(rng)

    def _require_members(self) -> None:
        paired = self.spec.mode == "pairs"
        for name in self.spec.reals:
            members = self._members[name]
            if not len(members.originals if paired else members.reals):
                kind = "fake with a known original" if paired else "real"
                raise ValueError(f"pack {name}: no {kind}, which mode {self.spec.mode} needs")
        for name in self.spec.fakes:
            if not len(self._members[name].fakes):
                raise ValueError(f"pack {name}: no fake, which mode {self.spec.mode} needs")

    def _pair(self, rng: np.random.Generator) -> FacePair:
        """Draws an original, then one of its fakes: every original is equally likely."""
        name = _weighted(self.spec.reals, rng)
        pack, members = self.packs[name], self._members[name]
        number = int(rng.choice(members.originals))
        fake = int(rng.choice(members.fakes_of[number]))
        return FacePair(_face(pack, number, False), _face(pack, fake, True), True)

    def _classes(self, rng: np.random.Generator) -> FacePair:
        real, fake = _weighted(self.spec.reals, rng), _weighted(self.spec.fakes, rng)
        first = int(rng.choice(self._members[real].reals))
        second = int(rng.choice(self._members[fake].fakes))
        return FacePair(
            _face(self.packs[real], first, False), _face(self.packs[fake], second, True), False
        )

    def _blend(self, rng: np.random.Generator) -> FacePair:
        name = _weighted(self.spec.reals, rng)
        pack = self.packs[name]
        number = int(rng.choice(self._members[name].reals))
        real, portrait = surroundings(pack.pixels(number), pack.portrait(number))
        if rng.random() < self.mixture.self_share:
            blend = self_blend(real, portrait, rng)
        else:
            foreign = rng.random() < self.mixture.foreign_share
            other = _weighted(self.spec.reals, rng) if foreign else name
            donor = self._donors[other].draw(pack.five_points[number], portrait.identity, rng)
            donor_pack = self.packs[other]
            donor_face = surroundings(donor_pack.pixels(donor), donor_pack.portrait(donor))
            blend = cross_blend(real, portrait, *donor_face, rng)
        blank = np.zeros_like(blend.mask)
        return FacePair(Face(real, portrait, blank), Face(blend.fake, portrait, blend.mask), True)


@dataclass(frozen=True, slots=True)
class _Members:
    """Indices of a pack's examples by kind."""

    reals: npt.NDArray[np.int64]
    fakes: npt.NDArray[np.int64]
    originals: npt.NDArray[np.int64]
    fakes_of: Mapping[int, npt.NDArray[np.int64]]


def _members(pack: Pack) -> _Members:
    numbers = np.arange(len(pack))
    fakes = numbers[pack.original >= 0]
    order = fakes[np.argsort(pack.original[fakes], kind="stable")]
    originals, starts = np.unique(pack.original[order], return_index=True)
    groups = np.split(order, starts[1:])
    return _Members(
        *(numbers[~pack.fake], numbers[pack.fake], originals),
        dict(zip(originals.tolist(), groups, strict=False)),  # without fakes, one empty group
    )


def _face(pack: Pack, number: int, fake: bool) -> Face:
    """Reads a face; the mask of a fake is the face, or the whole image if all is generated."""
    pixels, portrait = surroundings(pack.pixels(number), pack.portrait(number))
    size = (pixels.shape[0], pixels.shape[1])
    if not fake:
        return Face(pixels, portrait, np.zeros(size, np.float32))
    if pack.whole:
        return Face(pixels, portrait, np.ones(size, np.float32))
    return Face(pixels, portrait, hard_mask(portrait.points, size, "ellipse"))


Array = TypeVar("Array", Pixels, Mask)


def surroundings(
    pixels: Array, portrait: Portrait, margin: float = _SURROUNDINGS
) -> tuple[Array, Portrait]:
    """Crops to `margin` times the face, clipped to the image."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = portrait.box
    half = margin * max(x2 - x1, y2 - y1) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    left, top = max(0, int(x - half)), max(0, int(y - half))
    right, bottom = min(width, int(x + half)), min(height, int(y + half))
    region = np.ascontiguousarray(pixels[top:bottom, left:right])
    return region, translate(portrait, left, top)


def _weighted(weights: Mapping[str, float], rng: np.random.Generator) -> str:
    names = list(weights)
    chances = np.array([weights[name] for name in names])
    return names[int(rng.choice(len(names), p=chances / chances.sum()))]
