"""A universal adversarial patch (Brown et al. 2017, arXiv:1712.09665)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from art.attacks.evasion import AdversarialPatchPyTorch
from torch import Tensor

from deepfake_serving.training.attack.target_crops import Images

PAPER = "arXiv:1712.09665"
_CROP_FRACTION = 4
_LEARNING_RATE = 0.1


@dataclass(frozen=True, slots=True)
class Patch:
    """A round patch, a quarter of the crop wide, on the forehead."""

    attack: Any
    top: int
    left: int
    side: int

    def apply(self, images: Images) -> Images:
        """Applies the patch; only `[top, top + side)` by `[left, left + side)` changes."""
        patched = self.attack.apply_patch(images, scale=1.0).astype(np.float32)
        result = images.copy()
        rows, columns = (slice(start, start + self.side) for start in (self.top, self.left))
        result[:, :, rows, columns] = patched[:, :, rows, columns]
        return result

    def area(self, size: int) -> float:
        """Returns its share of the area of a crop of `size` px."""
        return float(np.pi * self.side**2 / 4 / size**2)


def train_patch(classifier: Any, fakes: Images, steps: int, seed: int = 0) -> Patch:
    """Trains a patch that makes fakes (n, 3, s, s) look real, in `steps` passes over them."""
    size = fakes.shape[-1]
    side = size // _CROP_FRACTION // 2 * 2  # even like the crop, so that it is pixel-aligned
    top, left = size // 8, (size - side) // 2
    attack = _PatchWithZeroGrad(
        classifier,
        rotation_max=0.0,
        learning_rate=_LEARNING_RATE,
        max_iter=steps,
        batch_size=8,
        patch_shape=(3, side, side),
        patch_location=(left, top),
        patch_type="circle",
        targeted=True,
        verbose=False,
    )
    targets = np.tile(np.array([1.0, 0.0], np.float32), (len(fakes), 1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        attack.generate(fakes, targets)
    return Patch(attack, top, left, side)


class _PatchWithZeroGrad(AdversarialPatchPyTorch):  # type: ignore[misc]
    """Resets the gradient before each step, which ART (1.20) accumulates instead."""

    def _train_step(self, images: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        self._patch.grad = None
        loss: Tensor = super()._train_step(images, target, mask)
        return loss
