"""Pairs by index: seed, generation and index determine a pair, on any machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_serving.training.data.augmentation import draw_augmentation
from deepfake_serving.training.data.blending import Blend, cross_blend, self_blend
from deepfake_serving.training.data.cache import cached
from deepfake_serving.training.data.face_regions import cut_region
from deepfake_serving.training.data.masks import Mask, five_points, hard_mask
from deepfake_serving.training.data.portraits import Portrait, Swap, translate
from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels

VERSION = 5
"""Version of the cached pairs. Raise it when pairs change, so that older caches are not read."""

_REGION_SCALE = 2.0
_NEAREST = 24
_BLEND_STREAM, _CROP_STREAM, _PAIR_STREAM = 0, 1, 2  # independent random streams of one seed


@dataclass(frozen=True, slots=True)
class PairConfig:
    """The mixture of pairs.

    Attributes:
        swap_share: share of real swaps.
        self_share: share of self-blends among the others; the rest are cross-blends.
        reuse: epochs that share a cached pair, each with another crop and flip.
    """

    seed: int = 0
    swap_share: float = 0.0
    self_share: float = 0.55
    margins: tuple[float, float] = (1.1, 1.5)
    reuse: int = 2


@dataclass(frozen=True, slots=True)
class Pair:
    """Two uint8 (h, w, 3) images, the mask (h, w) and the face box, all at one scale."""

    real: Pixels
    fake: Pixels
    mask: Mask
    box: npt.NDArray[np.float32]


class PairGenerator:
    """Generates pair `index` of a generation from the portraits, or from a swap instead.

    A pair depends on all portraits, since any may be a donor. `data` is a digest of them.
    """

    def __init__(
        self,
        portraits: Sequence[Portrait],
        config: PairConfig,
        cache: Path | None,
        swaps: Sequence[Swap] = (),
    ) -> None:
        if config.swap_share and not swaps:
            raise ValueError("swap_share needs swaps")
        self.portraits, self.config, self.cache, self.swaps = portraits, config, cache, swaps
        self._shapes = np.stack([_shape_vector(p) for p in portraits])
        self.data = _digest(portraits)

    def __len__(self) -> int:
        return len(self.portraits)

    def pair(self, generation: int, index: int) -> Pair:
        """Returns an augmented pair, from the cache if it was generated before."""
        if self.cache is None:
            return self._generate(generation, index)
        shares = (self.config.swap_share, self.config.self_share)
        key = [VERSION, self.config.seed, *shares, generation, index, self.data]
        return cached(self.cache, key, Pair, lambda: self._generate(generation, index))

    def crops(
        self, epoch: int, index: int, crop: CropSpec
    ) -> tuple[Pixels, Pixels, npt.NDArray[np.float32]]:
        """Returns the real and the fake crop, uint8 (size, size, 3), and the mask (size, size)."""
        pair = self.pair(epoch // max(1, self.config.reuse), index)
        rng = self._rng(_CROP_STREAM, epoch, index)
        box = _jitter(pair.box, rng)
        spec = CropSpec(size=crop.size, margin=float(rng.uniform(*self.config.margins)))
        grey = np.repeat((pair.mask * 255).astype(np.uint8)[:, :, None], 3, axis=2)
        real, fake, mask = (crop_face(p, box, spec) for p in (pair.real, pair.fake, grey))
        if rng.random() < 0.5:
            real, fake, mask = (np.ascontiguousarray(p[:, ::-1]) for p in (real, fake, mask))
        return real, fake, mask[:, :, 0].astype(np.float32) / np.float32(255)

    def blend(self, generation: int, index: int) -> tuple[Blend, Portrait]:
        """Returns the pair before augmentation, and its portrait."""
        rng = self._rng(_BLEND_STREAM, generation, index)
        real, portrait = _face_region(self.portraits[index])
        if rng.random() < self.config.self_share:
            return self_blend(real, portrait, rng), portrait
        donor, other = _face_region(self.portraits[self._draw_donor(index, rng)])
        return cross_blend(real, portrait, donor, other, rng), portrait

    def _generate(self, generation: int, index: int) -> Pair:
        rng = self._rng(_PAIR_STREAM, generation, index)
        if rng.random() < self.config.swap_share:
            blend, portrait = _read_swap(self.swaps[int(rng.integers(len(self.swaps)))])
        else:
            blend, portrait = self.blend(generation, index)
        augmentation = draw_augmentation(portrait.face_px, rng)
        real, fake = augmentation.apply(blend.real), augmentation.apply(blend.fake)
        height, width = real.shape[:2]
        mask = cv2.resize(blend.mask, (width, height), interpolation=cv2.INTER_AREA)
        box = np.array(portrait.box, np.float32) * (width / blend.real.shape[1])
        return Pair(real, fake, mask.astype(np.float32), box.astype(np.float32))

    def _rng(self, stream: int, epoch: int, index: int) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, stream, epoch, index])

    def _draw_donor(self, index: int, rng: np.random.Generator) -> int:
        """Draws one of the faces nearest in shape, of another identity."""
        identity = self.portraits[index].identity
        distance = np.linalg.norm(self._shapes - self._shapes[index], axis=1)
        order = [int(i) for i in np.argsort(distance) if self.portraits[i].identity != identity]
        if not order:
            raise ValueError("cross-blends need portraits of two identities")
        return order[int(rng.integers(min(_NEAREST, len(order))))]


def _digest(portraits: Sequence[Portrait]) -> str:
    """Returns a digest of the images' names, sizes and people; the same on any machine."""
    rows = [(p.path.name, p.path.stat().st_size, p.identity) for p in portraits]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _read_swap(swap: Swap) -> tuple[Blend, Portrait]:
    """Reads a real swap as a blend; its mask is an ellipse over the face."""
    real, fake = swap.portrait.pixels(), replace(swap.portrait, path=swap.fake).pixels()
    mask = hard_mask(swap.portrait.points, (real.shape[0], real.shape[1]), "ellipse")
    return Blend(real, fake, mask), swap.portrait


def _face_region(portrait: Portrait) -> tuple[Pixels, Portrait]:
    """Cuts the image to twice the face, as far as the image goes."""
    pixels, (left, top) = cut_region(portrait.pixels(), portrait.box, _REGION_SCALE)
    return np.ascontiguousarray(pixels), translate(portrait, left, top)


def _shape_vector(portrait: Portrait) -> npt.NDArray[np.float64]:
    """Returns the five points, centred and scaled to length one: shape and pose of the face."""
    points = five_points(portrait.points).astype(np.float64)
    centred = points - points.mean(0)
    shape: npt.NDArray[np.float64] = (centred / (np.linalg.norm(centred) + 1e-6)).ravel()
    return shape


def _jitter(box: npt.NDArray[np.float32], rng: np.random.Generator) -> list[float]:
    """Moves a box by some per cent of its size."""
    side = float(max(box[2] - box[0], box[3] - box[1]))
    shift = rng.normal(0, 0.03, 2) * side
    return [float(v) for v in box + np.tile(shift, 2)]
