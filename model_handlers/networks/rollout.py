"""Attention rollout: how much of each patch reaches the class token of a vision transformer.

Abnar & Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020 (arXiv:2005.00928). Of each
layer, half of the mean of its heads' attention and half of the identity, for the residual
connection; of all layers, their product. It needs no gradient and knows no class.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def rollout(body: Any, planes: Tensor) -> tuple[Tensor, Tensor]:
    """Returns a vision transformer's features, and the shares of the patches in its class token.

    The layers run as they do without a map. The attention's weights are computed beside them, from
    the same queries and keys, because fused attention does not return its own.

    Args:
        body: a `VisionTransformer` of timm with a class token, whose queries and keys have no
            normalisation.
        planes: (n, 3, s, s).

    Returns:
        Features (n, tokens, width), and shares (n, rows, columns); with the class token's own share
        they sum to one.
    """
    projections: list[Tensor] = []
    hooks = [
        block.attn.qkv.register_forward_hook(lambda _, __, output: projections.append(output))
        for block in body.blocks
    ]
    try:
        features: Tensor = body.forward_features(planes)
    finally:
        for hook in hooks:
            hook.remove()
    layers = [
        mean_attention(projection, block.attn.num_heads)
        for projection, block in zip(projections, body.blocks, strict=True)
    ]
    patches = class_token_shares(layers)[:, body.num_prefix_tokens :]
    return features, patches.reshape(-1, *body.patch_embed.grid_size)


def mean_attention(projection: Tensor, heads: int) -> Tensor:
    """Returns the mean of the heads' attention weights, (n, tokens, tokens), in fp32.

    Args:
        projection: queries, keys and values side by side, (n, tokens, 3 x width).
    """
    tokens = projection.shape[1]
    queries, keys, _ = (
        part.reshape(-1, tokens, heads, part.shape[2] // heads).transpose(1, 2)
        for part in projection.float().chunk(3, 2)
    )
    scores = queries @ keys.transpose(2, 3) * queries.shape[3] ** -0.5
    weights: Tensor = scores.softmax(dim=3).mean(dim=1)
    return weights


def class_token_shares(layers: list[Tensor]) -> Tensor:
    """Returns the row (n, tokens) of the first token in the product of all layers, from the last.

    Args:
        layers: mean attention weights (n, tokens, tokens), of the first layer first.
    """
    shares = torch.zeros_like(layers[0][:, :1])
    shares[:, :, 0] = 1
    for attention in reversed(layers):
        shares = (shares @ attention + shares) / 2
    return shares[:, 0]
