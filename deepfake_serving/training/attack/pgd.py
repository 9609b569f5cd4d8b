"""Projected gradient descent (Madry et al. 2018, arXiv:1706.06083) in three norms.

In L1 the steepest step changes a single value, so ten steps would change ten of 150,000. Each step
changes the hundredth with the largest gradients instead (Tramèr & Boneh 2019, arXiv:1904.13000).

ε is in pixel values of 0..1. L∞: 2/255, 4/255 and 8/255 (Madry et al. use 8/255). L2: 0.5 and 1;
0.5 is common for 32 px. L1: 12 is common for 32 px, 255 for 224 px (Croce & Hein 2022,
arXiv:2105.12508).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from art.attacks.evasion import ProjectedGradientDescentPyTorch
from torch import Tensor

from deepfake_serving.training.attack.target_crops import Images

PAPER = "arXiv:1706.06083"
_STEP_SCALE = 2.5
_SPARSITY = 0.01


@dataclass(frozen=True, slots=True)
class Ball:
    """The allowed perturbations: up to `epsilon` in the norm of order `order`."""

    order: float
    epsilon: float
    label: str

    def norms(self, perturbations: Images) -> Images:
        """Returns the norms (n,) of perturbations (n, ...)."""
        flat = perturbations.reshape(len(perturbations), -1).astype(np.float64)
        norms: Images = np.linalg.norm(flat, ord=self.order, axis=1)
        return norms


BALLS = (
    *(Ball(np.inf, n / 255, f"L∞, {n}/255") for n in (2, 4, 8)),
    *(Ball(2, epsilon, f"L2, {epsilon:g}") for epsilon in (0.5, 1.0)),
    *(Ball(1, epsilon, f"L1, {epsilon:g}") for epsilon in (12.0, 255.0)),
)


def perturb(classifier: Any, fakes: Images, ball: Ball, steps: int) -> Images:
    """Perturbs fakes (n, 3, s, s) within `ball` so that ART's `classifier` takes them for real.

    The step size is 2.5 ε / steps (Madry et al.), the starting point the image itself.
    """
    kind = _SparseSteps if ball.order == 1 else ProjectedGradientDescentPyTorch
    attack = kind(
        classifier,
        norm=ball.order,
        eps=ball.epsilon,
        eps_step=_STEP_SCALE * ball.epsilon / steps,
        max_iter=steps,
        targeted=True,
        batch_size=8,
        verbose=False,
    )
    targets = np.tile(np.array([1.0, 0.0], np.float32), (len(fakes), 1))
    perturbed: Images = attack.generate(fakes, targets)
    return perturbed


class _SparseSteps(ProjectedGradientDescentPyTorch):  # type: ignore[misc]
    """Makes steps of L1 norm one, spread over the values with the largest gradients."""

    def _compute_perturbation_pytorch(
        self, x: Tensor, y: Tensor, mask: Tensor | None, momentum: Tensor
    ) -> Tensor:
        gradient = self.estimator.loss_gradient(x=x, y=y) * (-1 if self.targeted else 1)
        flat = gradient.flatten(1)
        translated = max(1, round(_SPARSITY * flat.shape[1]))
        indices = flat.abs().topk(translated, dim=1).indices
        signs = flat.gather(1, indices).sign() / translated
        step: Tensor = torch.zeros_like(flat).scatter(1, indices, signs)
        return step.reshape(x.shape)
