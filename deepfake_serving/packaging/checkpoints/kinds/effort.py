"""Effort on CLIP ViT-L/14 (Yan et al. 2024, arXiv:2411.15633)."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from deepfake_serving.packaging.checkpoints.kinds.kind import Kind, Source, always
from deepfake_serving.packaging.checkpoints.state import State
from model_handlers.networks.zoo.effort import fold_residual

_MEAN, _STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
_ROOT = "backbone."
_LAYER = f"{_ROOT}encoder.layers."


def rename_effort(state: State) -> State:
    """Converts the vision model of `transformers`, folding each residual into its weight."""
    source = Source(state)
    position = source.take(f"{_ROOT}embeddings.position_embedding.weight")
    renamed = {
        "cls_token": source.take(f"{_ROOT}embeddings.class_embedding").reshape(1, 1, -1),
        "pos_embed": position.unsqueeze(0),
        **source.module(f"{_ROOT}embeddings.patch_embedding", "patch_embed.proj"),
        **source.module(f"{_ROOT}pre_layrnorm", "norm_pre"),
        **source.module(f"{_ROOT}post_layernorm", "norm"),
        **source.module("head", "head"),
    }
    layers = {int(m[1]) for name in state if (m := re.match(rf"{re.escape(_LAYER)}(\d+)\.", name))}
    for index in sorted(layers):
        renamed |= _layer(source, f"{_LAYER}{index}", f"blocks.{index}")
    source.require_all_taken()
    return renamed


def _layer(source: Source, old: str, new: str) -> State:
    projections = [_projection(source, f"{old}.self_attn.{each}_proj") for each in "qkv"]
    weight, bias = _projection(source, f"{old}.self_attn.out_proj")
    return {
        f"{new}.attn.qkv.weight": torch.cat([weight for weight, _ in projections]),
        f"{new}.attn.qkv.bias": torch.cat([bias for _, bias in projections]),
        f"{new}.attn.proj.weight": weight,
        f"{new}.attn.proj.bias": bias,
        **source.module(f"{old}.layer_norm1", f"{new}.norm1"),
        **source.module(f"{old}.layer_norm2", f"{new}.norm2"),
        **source.module(f"{old}.mlp", f"{new}.mlp"),
    }


def _projection(source: Source, name: str) -> tuple[Tensor, Tensor]:
    """Returns weight and bias of a linear layer with a residual."""
    parts = [source.take(f"{name}.{part}_residual") for part in "USV"]
    return fold_residual(source.take(f"{name}.weight_main"), *parts), source.take(f"{name}.bias")


EFFORT = Kind(
    summary="Effort on CLIP ViT-L/14",
    repository="https://github.com/YZY-stack/Effort-AIGI-Detection",
    licence="CC-BY-NC-4.0",
    describe=always(
        network={
            "name": "effort",
            "architecture": "vit_large_patch14_clip_quickgelu_224",
            "classes": 2,
        },
        input={"mean": _MEAN, "std": _STD},
        crop={"size": 224, "margin": 1.3, "align": "landmarks"},
    ),
    rename=rename_effort,
    superfluous={
        r".*\.(U|S|V)_r": "the frozen singular values, which training compares with",
        r"backbone\.embeddings\.position_ids": "the numbers of the positions, a constant",
    },
)
