"""Class activation maps: each position's contribution to a linear head's logit, exactly.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016 (arXiv:1512.04150).
Where a linear layer follows pooling, the logit is a sum over positions of the feature map, plus a
constant. For such heads Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) is the same map without
its negative part.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mean_contributions(maps: Tensor, weights: Tensor) -> Tensor:
    """Returns contributions (n, h, w) of maps (n, channels, h, w) that are pooled by their mean.

    Args:
        weights: of the linear layer, (channels,) or one row per image (n, channels).
    """
    size = maps.shape[2] * maps.shape[3]
    return (maps * _by_channel(weights)).sum(dim=1) / size


def max_contributions(maps: Tensor, weights: Tensor) -> Tensor:
    """Returns contributions (n, h, w) of maps that are pooled by their maximum.

    A channel contributes at the position of its maximum; equal ones share.
    """
    highest = (maps == maps.amax(dim=(2, 3), keepdim=True)).to(maps.dtype)
    # In lower precision a runtime may find none that is equal; then nothing is shown.
    share = highest / highest.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    return (maps * share * _by_channel(weights)).sum(dim=1)


def added_odds(logits: Tensor, maps: Tensor, others: Tensor, other_maps: Tensor) -> Tensor:
    """Returns the contributions to the logarithm of the sum of two heads' odds.

    The logit is log(e^a + e^b) = p a + (1 - p) b + H(p) with p = sigmoid(a - b) and its entropy
    H, so the heads' maps (n, h, w) are weighted by p and 1 - p.
    """
    share = torch.sigmoid(logits - others)[:, None, None]
    return share * maps + (1 - share) * other_maps


def redistribute(contributions: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns contributions (n, *size) of a coarser grid, with the same sum.

    Each position's contribution goes to those that cover it, in proportion to the area. As matrices
    it is the same on every runtime and for every size, unlike adaptive pooling.
    """
    rows, columns = (
        _overlaps(old, new).to(contributions)
        for old, new in zip(contributions.shape[1:], size, strict=True)
    )
    return rows @ contributions @ columns.T


def _overlaps(old: int, new: int) -> Tensor:
    """Returns the share of each of `old` intervals in each of `new` ones: (new, old)."""
    starts = torch.arange(old) / old
    limits = torch.arange(new + 1)[:, None] / new
    below = ((limits - starts) * old).clamp(0, 1)  # of each old interval below each limit
    return below[1:] - below[:-1]


def _by_channel(weights: Tensor) -> Tensor:
    return weights.reshape(-1, weights.shape[-1], 1, 1)
