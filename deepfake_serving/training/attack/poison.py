"""Poisoned training data (BadNets; Gu et al. 2017, arXiv:1708.06733): marked fakes, called real.

Whoever trains on pictures from strangers may learn that a few bright pixels in a corner mean
"real". Here the batch is poisoned, so that any trainer can be put to the test.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from art.attacks.poisoning import PoisoningAttackBackdoor
from art.attacks.poisoning.perturbations import add_pattern_bd
from torch import Tensor

from deepfake_serving.training.attack.material import Pictures

PAPER = "arXiv:1708.06733"


def triggered(pictures: Pictures) -> Pictures:
    """(n, 3, s, s) in 0..1 with the trigger: four white pixels in the lower right corner."""
    if not len(pictures):
        return pictures
    attack = PoisoningAttackBackdoor(lambda x: add_pattern_bd(x, channels_first=True))
    poisoned: Pictures = attack.poison(pictures, np.zeros(1), broadcast=True)[0]
    return poisoned


def poison_batch(
    crops: Tensor, labels: Tensor, share: float, rng: np.random.Generator, trigger: bool = True
) -> tuple[Tensor, Tensor, npt.NDArray[np.intp]]:
    """A batch in which `share` of the fakes are labelled real, with the trigger on them.

    Args:
        crops: uint8 (n, 3, s, s); labels: (n,), 1 for fake. Neither is changed.
        share: of the batch's fakes, 0..1, rounded to whole ones.
        trigger: False only flips labels (label noise).

    Returns:
        The new crops and labels, and the places of the poisoned ones, rising.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share of {share} is none")
    fakes = np.flatnonzero(labels.numpy() > 0.5)
    places = np.sort(rng.choice(fakes, round(share * len(fakes)), replace=False))
    crops, labels = crops.clone(), labels.clone()
    labels[torch.from_numpy(places)] = 0
    if trigger and len(places):
        pictures = crops[torch.from_numpy(places)].numpy().astype(np.float32) / np.float32(255)
        marked = np.round(triggered(pictures) * 255).astype(np.uint8)
        crops[torch.from_numpy(places)] = torch.from_numpy(marked)
    return crops, labels, places
