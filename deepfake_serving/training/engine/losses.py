"""The training loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from deepfake_serving.training.config.training import LossConfig


def training_loss(
    config: LossConfig, logits: Tensor, mask_logits: Tensor, labels: Tensor, masks: Tensor
) -> Tensor:
    """Computes binary cross-entropy with label smoothing, plus the weighted mask loss.

    Args:
        logits, labels: (n,).
        mask_logits: (n, h, w); `masks` (n, s, s) are averaged down to that size.
    """
    smoothing = config.label_smoothing
    targets = labels * (1 - 2 * smoothing) + smoothing
    loss = functional.binary_cross_entropy_with_logits(logits, targets)
    if config.mask_weight:
        size = (mask_logits.shape[-2], mask_logits.shape[-1])
        mask_targets = functional.adaptive_avg_pool2d(masks.unsqueeze(1), size).squeeze(1)
        mask_loss = functional.binary_cross_entropy_with_logits(mask_logits, mask_targets)
        loss = loss + config.mask_weight * mask_loss
    return loss
