"""Effort: CLIP's vision transformer with the smallest singular values of its attention retrained.

Yan et al., "Orthogonal Subspace Decomposition for Generalizable AI-Generated Image Detection",
ICML 2025 (arXiv:2411.15633); CLIP: Radford et al. 2021 (arXiv:2103.00020). Training splits each
weight of the attention into a frozen part W of rank r and a residual U diag(S) V. Their sum is a
weight like any other. `fold_residual` adds them once, when weights are imported, so that serving
costs no more than CLIP.
"""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn

from model_handlers.network_specs import EffortSpec


def build_effort(spec: EffortSpec, size: int) -> nn.Module:
    """Builds a CLIP vision transformer of timm with a linear head over its class token.

    Raises:
        ValueError: timm has no such transformer.
    """
    known = timm.is_model(spec.architecture) and "clip" in spec.architecture
    if not (known and spec.architecture.startswith("vit_")):
        raise ValueError(f"network.architecture: timm has no CLIP ViT {spec.architecture!r}")
    body: nn.Module = timm.create_model(
        spec.architecture, pretrained=False, num_classes=spec.classes, img_size=size
    )
    return body


def fold_residual(main: Tensor, left: Tensor, singular: Tensor, right: Tensor) -> Tensor:
    """Returns main + left @ diag(singular) @ right.

    Shapes:
        main: (out, in); left: (out, k); singular: (k,); right: (k, in).
    """
    return main + left @ torch.diag(singular) @ right
