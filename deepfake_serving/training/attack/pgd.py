"""Projected gradient descent (Madry et al. 2018, arXiv:1706.06083) in three norms.

In L1 the steepest step moves one value only, and ten steps ten of 150,000; so each step moves the
hundredth with the largest gradients instead (Tramèr & Boneh 2019, arXiv:1904.13000).

ε is in pixels of 0..1. L∞: 2/255, 4/255 and 8/255 (Madry et al. take 8/255). L2: 0.5 and 1, of
which the first is usual for 32 px. L1: 12 is usual for 32 px, 255 for 224 px (Croce & Hein 2022,
arXiv:2105.12508).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from art.attacks.evasion import ProjectedGradientDescentPyTorch
from torch import Tensor

from deepfake_serving.training.attack.material import Pictures

PAPER = "arXiv:1706.06083"
_REACH = 2.5
_MOVED = 0.01


@dataclass(frozen=True, slots=True)
class Ball:
    """What an adversary may change: less than `epsilon` in the norm of order `order`."""

    order: float
    epsilon: float
    label: str

    def norms(self, changes: Pictures) -> Pictures:
        """The norm (n,) of changes (n, ...)."""
        flat = changes.reshape(len(changes), -1).astype(np.float64)
        norms: Pictures = np.linalg.norm(flat, ord=self.order, axis=1)
        return norms


BALLS = (
    *(Ball(np.inf, n / 255, f"L∞, {n}/255") for n in (2, 4, 8)),
    *(Ball(2, epsilon, f"L2, {epsilon:g}") for epsilon in (0.5, 1.0)),
    *(Ball(1, epsilon, f"L1, {epsilon:g}") for epsilon in (12.0, 255.0)),
)


def evade(classifier: Any, fakes: Pictures, ball: Ball, steps: int) -> Pictures:
    """The fakes (n, 3, s, s), changed within `ball` to look real to the toolbox's `classifier`.

    Each of the steps goes 2.5 ε / steps, as Madry et al. do, from the picture itself.
    """
    kind = _SparseSteps if ball.order == 1 else ProjectedGradientDescentPyTorch
    attack = kind(
        classifier,
        norm=ball.order,
        eps=ball.epsilon,
        eps_step=_REACH * ball.epsilon / steps,
        max_iter=steps,
        targeted=True,
        batch_size=8,
        verbose=False,
    )
    wanted = np.tile(np.array([1.0, 0.0], np.float32), (len(fakes), 1))
    changed: Pictures = attack.generate(fakes, wanted)
    return changed


class _SparseSteps(ProjectedGradientDescentPyTorch):  # type: ignore[misc]
    """Steps of L1 norm one, spread over the values with the largest gradients."""

    def _compute_perturbation_pytorch(
        self, x: Tensor, y: Tensor, mask: Tensor | None, momentum: Tensor
    ) -> Tensor:
        gradient = self.estimator.loss_gradient(x=x, y=y) * (-1 if self.targeted else 1)
        flat = gradient.flatten(1)
        moved = max(1, round(_MOVED * flat.shape[1]))
        places = flat.abs().topk(moved, dim=1).indices
        signs = flat.gather(1, places).sign() / moved
        step: Tensor = torch.zeros_like(flat).scatter(1, places, signs)
        return step.reshape(x.shape)
