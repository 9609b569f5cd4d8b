"""Attention rollout: the matrices of the attention itself, multiplied, and unchanged logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from deepfake_serving.packaging.openvino_ir import intermediate_representation
from model_handlers.backends.openvino import build_classifier
from model_handlers.manifest import CLASSIFIER_GRAPH, GRAPHS_FOLDER, Manifest, parse_manifest
from model_handlers.networks.inference import (
    InferenceModule,
    build_classifier_network,
    served_module,
)
from model_handlers.networks.named import NamedNetwork
from model_handlers.networks.rollout import class_token_shares

SIDE, CELLS = 96, (6, 6)


def manifest(**entries: Any) -> Manifest:
    head = {"name": "test", "version": "1.0", "task": "classifier", "crop": {"size": SIDE}}
    network = {"name": "effort", "architecture": "vit_xsmall_patch16_clip_224"}
    return parse_manifest({**head, "network": network, **entries}, "test.yaml")


def transformer(**entries: Any) -> NamedNetwork:
    built = build_classifier_network(manifest(**entries))
    assert isinstance(built, NamedNetwork)
    body: Any = built.body
    for block in body.blocks:  # untrained attention is almost uniform
        block.attn.qkv.weight.data.mul_(8)
    return built


def crops(count: int = 2) -> Tensor:
    values = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    return torch.from_numpy(values)


@pytest.fixture
def built() -> NamedNetwork:
    return transformer()


@pytest.fixture
def planes(built: NamedNetwork) -> Tensor:
    return built.planes(crops().permute(0, 3, 1, 2).float())


def test_the_map_is_the_product_of_the_layers_attention(
    built: NamedNetwork, planes: Tensor
) -> None:
    """The reference multiplies whole matrices, of weights that unfused attention hands on."""
    body: Any = built.body
    weights: list[Tensor] = []
    for block in body.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda _, __, output: weights.append(output))
    with torch.inference_mode():
        logits, shares = built.explain(planes)
    assert len(weights) == len(body.blocks) > 1
    product = torch.eye(weights[0].shape[-1]).expand(2, -1, -1)
    for layer in weights:
        product = (layer.mean(dim=1) / 2 + torch.eye(layer.shape[-1]) / 2) @ product
    torch.testing.assert_close(shares, product[:, 0, 1:].unflatten(1, CELLS))
    torch.testing.assert_close(shares.sum(dim=(1, 2)), 1 - product[:, 0, 0])
    assert shares.std() > 0.1 * shares.mean()
    assert logits.shape == (2,)


def test_explaining_changes_no_logit(built: NamedNetwork, planes: Tensor) -> None:
    with torch.inference_mode():
        logits, shares = built.explain(planes)
        assert torch.equal(logits, built.classify(planes))
    assert shares.shape == (2, *CELLS)
    assert not any(module._forward_hooks for module in built.modules())


def test_the_map_is_not_that_of_a_class(planes: Tensor) -> None:
    one, other = (transformer(fake_class=c).explain(planes) for c in (0, 1))
    torch.testing.assert_close(one[0], -other[0])
    torch.testing.assert_close(one[1], other[1])


def test_layers_without_attention_to_others_keep_the_class_token() -> None:
    shares = class_token_shares([torch.eye(3)[None]] * 4)
    assert shares.tolist() == [[1, 0, 0]]


def test_of_two_passes_the_map_is_that_of_the_first() -> None:
    spec = manifest(reference={"face_px": 40, "weight": 0.5})
    built = build_classifier_network(spec)
    with torch.inference_mode():
        logits, shares = served_module(built, spec)(crops())
        torch.testing.assert_close(logits, InferenceModule(built, spec)(crops()))
        _, expected = built.explain(built.planes(crops().permute(0, 3, 1, 2).float()))
    torch.testing.assert_close(shares, expected)


def test_the_openvino_graph_has_the_same_map(built: NamedNetwork, tmp_path: Any) -> None:
    spec = manifest()
    module = served_module(built, spec).eval()
    folder = tmp_path / GRAPHS_FOLDER
    folder.mkdir()
    parts = intermediate_representation(module, (-1, SIDE, SIDE, 3))
    for suffix, content in zip(("xml", "bin"), parts, strict=True):
        (folder / f"{CLASSIFIER_GRAPH}.{suffix}").write_bytes(content)
    logits, shares = build_classifier(tmp_path, spec, threads=1)(crops().numpy())
    with torch.inference_mode():
        expected, map_ = module(crops())
    np.testing.assert_allclose(logits, expected.numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(shares, map_.numpy(), rtol=1e-3, atol=1e-6)
