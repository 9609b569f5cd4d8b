"""Data poisoning with a trigger (BadNets; Gu et al. 2017, arXiv:1708.06733).

A model trained on untrusted images may learn that a few bright pixels in a corner mean "real". The
poisoning of a batch lets any trainer be tested for that.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from art.attacks.poisoning import PoisoningAttackBackdoor
from art.attacks.poisoning.perturbations import add_pattern_bd
from torch import Tensor

from deepfake_serving.training.attack.target_crops import Images

PAPER = "arXiv:1708.06733"


def add_trigger(images: Images) -> Images:
    """Adds four white pixels in the lower right corner to images (n, 3, s, s) in 0..1."""
    if not len(images):
        return images
    attack = PoisoningAttackBackdoor(lambda x: add_pattern_bd(x, channels_first=True))
    poisoned: Images = attack.poison(images, np.zeros(1), broadcast=True)[0]
    return poisoned


def poison_batch(
    crops: Tensor, labels: Tensor, share: float, rng: np.random.Generator, trigger: bool = True
) -> tuple[Tensor, Tensor, npt.NDArray[np.intp]]:
    """Labels `share` of the fakes as real and adds the trigger to them.

    Args:
        crops: uint8 (n, 3, s, s); labels: (n,), 1 for fake. Neither is modified.
        share: share of the batch's fakes, 0..1, rounded to whole ones.
        trigger: False only flips labels (label noise).

    Returns:
        The new crops and labels, and the sorted indices of the poisoned ones.

    Raises:
        ValueError: `share` is outside 0..1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in 0..1, not {share}")
    fakes = np.flatnonzero(labels.numpy() > 0.5)
    indices = np.sort(rng.choice(fakes, round(share * len(fakes)), replace=False))
    poisoned = torch.from_numpy(indices)
    crops, labels = crops.clone(), labels.clone()
    labels[poisoned] = 0
    if trigger and len(indices):
        images = crops[poisoned].numpy().astype(np.float32) / np.float32(255)
        with_trigger = np.round(add_trigger(images) * 255).astype(np.uint8)
        crops[poisoned] = torch.from_numpy(with_trigger)
    return crops, labels, indices
