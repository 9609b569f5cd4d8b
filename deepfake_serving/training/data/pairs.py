"""Pairs by number: the same seed, generation and place give the same pair, on any machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_serving.training.data.blend import Blend, cross_blend, self_blend
from deepfake_serving.training.data.cache import cached
from deepfake_serving.training.data.channel import draw_channel
from deepfake_serving.training.data.faces import Portrait, Swap, moved
from deepfake_serving.training.data.masks import Mask, five_points, hard_mask
from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels

VERSION = 4
"""Raise it when pairs come out differently, so that no cache of older ones is read."""

_REGION = 2.0
_NEIGHBOURS = 24


@dataclass(frozen=True, slots=True)
class PairSpec:
    """How pairs are made: `swap_share` real swaps; of the others `self_share` self-blends, the rest
    across identities.

    A stored pair is seen in `reuse` epochs, each time cropped and flipped anew.
    """

    seed: int = 0
    swap_share: float = 0.0
    self_share: float = 0.55
    margins: tuple[float, float] = (1.1, 1.5)
    reuse: int = 2


@dataclass(frozen=True, slots=True)
class Pair:
    """uint8 (h, w, 3) pictures, the mask (h, w) and the face's box, all at the same scale."""

    real: Pixels
    fake: Pixels
    mask: Mask
    box: npt.NDArray[np.float32]


class PairMaker:
    """Makes pair number `index` of a generation from the portraits, or from a swap in its stead."""

    def __init__(
        self,
        portraits: Sequence[Portrait],
        spec: PairSpec,
        cache: Path | None,
        swaps: Sequence[Swap] = (),
    ) -> None:
        if spec.swap_share and not swaps:
            raise ValueError("swap_share needs swaps")
        self.portraits, self.spec, self.cache, self.swaps = portraits, spec, cache, swaps
        self._shapes = np.stack([_normalised(p) for p in portraits])

    def __len__(self) -> int:
        return len(self.portraits)

    def pair(self, generation: int, index: int) -> Pair:
        """Blended and sent through a common channel; from the disk if it was made before."""
        if self.cache is None:
            return self._make(generation, index)
        portrait = self.portraits[index]
        shares = (self.spec.swap_share, self.spec.self_share)
        key = [VERSION, self.spec.seed, *shares, generation, index, portrait.path]
        return cached(self.cache, key, Pair, lambda: self._make(generation, index))

    def crops(
        self, epoch: int, index: int, crop: CropSpec
    ) -> tuple[Pixels, Pixels, npt.NDArray[np.float32]]:
        """Real crop, fake crop, each uint8 (size, size, 3), and the mask's crop (size, size)."""
        pair = self.pair(epoch // max(1, self.spec.reuse), index)
        rng = np.random.default_rng([self.spec.seed, 1, epoch, index])
        box = _jittered(pair.box, rng)
        spec = CropSpec(size=crop.size, margin=float(rng.uniform(*self.spec.margins)))
        grey = np.repeat((pair.mask * 255).astype(np.uint8)[:, :, None], 3, axis=2)
        real, fake, mask = (crop_face(p, box, spec) for p in (pair.real, pair.fake, grey))
        if rng.random() < 0.5:
            real, fake, mask = (np.ascontiguousarray(p[:, ::-1]) for p in (real, fake, mask))
        return real, fake, mask[:, :, 0].astype(np.float32) / np.float32(255)

    def blend(self, generation: int, index: int) -> tuple[Blend, Portrait]:
        """The pair before its channel, and where the face lies in it."""
        rng = np.random.default_rng([self.spec.seed, 0, generation, index])
        real, portrait = _region(self.portraits[index])
        if rng.random() < self.spec.self_share:
            return self_blend(real, portrait, rng), portrait
        donor, other = _region(self.portraits[self._neighbour(index, rng)])
        return cross_blend(real, portrait, donor, other, rng), portrait

    def _make(self, generation: int, index: int) -> Pair:
        rng = np.random.default_rng([self.spec.seed, 2, generation, index])
        if rng.random() < self.spec.swap_share:
            made, portrait = _swapped(self.swaps[int(rng.integers(len(self.swaps)))])
        else:
            made, portrait = self.blend(generation, index)
        x1, y1, x2, y2 = portrait.box
        channel = draw_channel(max(x2 - x1, y2 - y1), rng)
        real, fake = channel.apply(made.real), channel.apply(made.fake)
        height, width = real.shape[:2]
        mask = cv2.resize(made.mask, (width, height), interpolation=cv2.INTER_AREA)
        box = np.array(portrait.box, np.float32) * (width / made.real.shape[1])
        return Pair(real, fake, mask.astype(np.float32), box.astype(np.float32))

    def _neighbour(self, index: int, rng: np.random.Generator) -> int:
        """One of the faces nearest in shape, of somebody else."""
        identity = self.portraits[index].identity
        distance = np.linalg.norm(self._shapes - self._shapes[index], axis=1)
        order = [int(i) for i in np.argsort(distance) if self.portraits[i].identity != identity]
        if not order:
            raise ValueError("pairs across identities need portraits of two people")
        return order[int(rng.integers(min(_NEIGHBOURS, len(order))))]


def _swapped(swap: Swap) -> tuple[Blend, Portrait]:
    """A real swap as if it were a blend; its mask is the face, where it was replaced."""
    real, fake = swap.portrait.pixels(), replace(swap.portrait, path=swap.fake).pixels()
    mask = hard_mask(swap.portrait.points, (real.shape[0], real.shape[1]), "ellipse")
    return Blend(real, fake, mask), swap.portrait


def _region(portrait: Portrait) -> tuple[Pixels, Portrait]:
    """The picture cut to twice the face, as far as it reaches."""
    picture = portrait.pixels()
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = portrait.box
    half = _REGION * max(x2 - x1, y2 - y1) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    left, top = max(0, int(x - half)), max(0, int(y - half))
    right, bottom = min(width, int(x + half)), min(height, int(y + half))
    region = np.ascontiguousarray(picture[top:bottom, left:right])
    return region, moved(portrait, left, top)


def _normalised(portrait: Portrait) -> npt.NDArray[np.float64]:
    """Five points relative to the eyes, as one vector: the shape and pose of a face."""
    five = five_points(portrait.points).astype(np.float64)
    centred = five - five.mean(0)
    shape: npt.NDArray[np.float64] = (centred / (np.linalg.norm(centred) + 1e-6)).ravel()
    return shape


def _jittered(box: npt.NDArray[np.float32], rng: np.random.Generator) -> list[float]:
    side = float(max(box[2] - box[0], box[3] - box[1]))
    shift = rng.normal(0, 0.03, 2) * side
    return [float(v) for v in box + np.tile(shift, 2)]
