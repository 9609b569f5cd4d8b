"""An adversarial patch (Brown et al. 2017, arXiv:1712.09665): one sticker that fits every fake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from art.attacks.evasion import AdversarialPatchPyTorch
from torch import Tensor

from deepfake_serving.training.attack.material import Pictures

PAPER = "arXiv:1712.09665"
_SHARE = 4
_RATE = 0.1


@dataclass(frozen=True, slots=True)
class Patch:
    """A round sticker of a quarter of the crop's side, on the forehead."""

    attack: Any
    top: int
    left: int
    side: int

    def put(self, pictures: Pictures) -> Pictures:
        """The pictures with the patch on. Nothing outside `[top, top + side)` by `[left, left +
        side)` changes."""
        patched = self.attack.apply_patch(pictures, scale=1.0).astype(np.float32)
        result = pictures.copy()
        rows, columns = (slice(at, at + self.side) for at in (self.top, self.left))
        result[:, :, rows, columns] = patched[:, :, rows, columns]
        return result

    def area(self, size: int) -> float:
        """Its share of a crop of `size` px."""
        return float(np.pi * self.side**2 / 4 / size**2)


def learn_patch(classifier: Any, fakes: Pictures, steps: int, seed: int = 0) -> Patch:
    """A patch that makes the fakes (n, 3, s, s) look real, learnt in `steps` passes over them."""
    size = fakes.shape[-1]
    side = size // _SHARE // 2 * 2  # even, as the crop's: it lies on whole pixels
    top, left = size // 8, (size - side) // 2
    attack = _FreshGradients(
        classifier,
        rotation_max=0.0,
        learning_rate=_RATE,
        max_iter=steps,
        batch_size=8,
        patch_shape=(3, side, side),
        patch_location=(left, top),
        patch_type="circle",
        targeted=True,
        verbose=False,
    )
    wanted = np.tile(np.array([1.0, 0.0], np.float32), (len(fakes), 1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        attack.generate(fakes, wanted)
    return Patch(attack, top, left, side)


class _FreshGradients(AdversarialPatchPyTorch):  # type: ignore[misc]
    """The toolbox adds each step's gradient to all before it, and so never turns round."""

    def _train_step(self, images: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        self._patch.grad = None
        loss: Tensor = super()._train_step(images, target, mask)
        return loss
