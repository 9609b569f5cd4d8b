"""Class activation maps: their sums, and the gradients that they equal."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from model_handlers.manifest import Manifest, parse_manifest
from model_handlers.networks.classifier_network import ClassifierNetwork
from model_handlers.networks.contributions import max_contributions, redistribute
from model_handlers.networks.encoder import stage_maps
from model_handlers.networks.inference import (
    InferenceModule,
    build_classifier_network,
    served_module,
)
from model_handlers.networks.network import Network

SMALL = {"name": "efficientnet", "architecture": "test_efficientnet"}
EXPLAINABLE: dict[str, dict[str, Any]] = {
    "ours": {},
    "efficientnet": {"network": SMALL},
    "two classes": {"network": {**SMALL, "classes": 2}, "fake_class": 0},
    "three classes": {"network": {**SMALL, "classes": 3}},
    "attentive": {"network": {**SMALL, "attention_after": 1}},
    "resnet": {"network": {"name": "resnet", "architecture": "resnet10t"}},
    "xception": {"network": {"name": "xception"}, "crop": {"size": 96}},
}
SYNTHESIS: dict[str, Any] = {"head": {"synthesis": True}}
"""Explainable too, but by a sum that is no gradient times features: it weighs two heads."""
OTHERS: dict[str, dict[str, Any]] = {
    "meso": {"name": "meso4"},
    "f3net": {"name": "f3net"},
    "two_stream": {"name": "two_stream"},
    "ucf": {"name": "ucf"},
}


def manifest(**entries: Any) -> Manifest:
    head = {"name": "test", "version": "1.0", "task": "classifier", "crop": {"size": 96}}
    return parse_manifest({**head, **entries}, "test.yaml")


def network(**entries: Any) -> ClassifierNetwork:
    built = build_classifier_network(manifest(**entries))
    for parameter in built.parameters():  # zero biases would hide a missing one
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter.data, std=0.5)
    return built


def planes(built: ClassifierNetwork, size: int = 96) -> Tensor:
    values = torch.randint(0, 256, (3, 3, size, size), generator=torch.Generator().manual_seed(0))
    return built.planes(values.float())


def features_of(built: ClassifierNetwork) -> list[Tensor]:
    """Keeps each map that the network pools, with its gradient."""
    kept: list[Tensor] = []

    def keep(features: Tensor) -> Tensor:
        features.retain_grad()
        kept.append(features)
        return features

    if isinstance(built, Network):
        built.head.convolutions.register_forward_hook(lambda _, __, output: keep(output))
        return kept
    body: Any = built.body
    forward = body.forward_head
    body.forward_head = lambda features: forward(keep(features))
    return kept


@pytest.mark.parametrize("case", EXPLAINABLE)
def test_maps_are_the_gradients_times_the_features(case: str) -> None:
    """For a head that is linear in its pooled features that product is exact."""
    built = network(**EXPLAINABLE[case])
    assert built.explainable
    kept = features_of(built)
    logits, maps = built.explain(planes(built))
    logits.sum().backward()
    expected = torch.zeros_like(maps)
    for features in kept:
        assert features.grad is not None
        expected = expected + (features * features.grad).sum(1)
    torch.testing.assert_close(maps, expected, rtol=1e-3, atol=1e-5)
    assert maps.detach().std() > 0


@pytest.mark.parametrize(
    "entries", [*EXPLAINABLE.values(), SYNTHESIS], ids=[*EXPLAINABLE, "synthesis"]
)
def test_explaining_changes_no_logit(entries: dict[str, Any]) -> None:
    built = network(**entries)
    with torch.inference_mode():
        logits, _ = built.explain(planes(built))
        torch.testing.assert_close(logits, built.classify(planes(built)))


def test_maps_and_bias_sum_to_the_logit() -> None:
    built = network()
    assert isinstance(built, Network)
    with torch.inference_mode():
        logits, maps = built.explain(planes(built))
        torch.testing.assert_close(maps.sum(dim=(1, 2)) + built.head.linear.bias, logits)


@pytest.mark.parametrize("size", [96, 84])
def test_maps_of_the_synthesis_head_and_its_bias_sum_to_its_logit(size: int) -> None:
    built = network(**SYNTHESIS, crop={"size": size})
    assert isinstance(built, Network)
    assert built.synthesis is not None
    with torch.inference_mode():
        features, stages = stage_maps(built.encoder, planes(built, size))
        logits, maps = built.synthesis.explain(stages)
    assert maps.shape == (3, *features.shape[2:])
    torch.testing.assert_close(maps.sum(dim=(1, 2)) + built.synthesis.bias, logits)


def test_maps_of_both_heads_are_weighted_by_their_share_of_the_odds() -> None:
    built = network(**SYNTHESIS)
    assert isinstance(built, Network)
    assert built.synthesis is not None
    with torch.inference_mode():
        features, stages = stage_maps(built.encoder, planes(built))
        logits, maps = built.head.explain(features)
        others, other_maps = built.synthesis.explain(stages)
        share = (logits.exp() / (logits.exp() + others.exp()))[:, None, None]
        _, found = built.explain(planes(built))
    torch.testing.assert_close(found, share * maps + (1 - share) * other_maps)


def test_a_coarser_grid_has_the_area_of_the_finer_one() -> None:
    fine = torch.arange(1.0, 6.0).reshape(1, 5, 1).repeat(1, 1, 2)
    found = redistribute(fine, (2, 1))
    torch.testing.assert_close(found, torch.tensor([[[9.0], [21.0]]]))
    torch.testing.assert_close(redistribute(fine, (5, 2)), fine)


def test_a_region_of_the_crop_is_at_the_same_place_in_the_coarser_grid() -> None:
    fine = torch.zeros(1, 112, 112)
    fine[0, 32:48, 80:96] = 1
    coarse = redistribute(fine, (7, 7))
    assert coarse[0, 2, 5] == 256
    assert coarse.sum() == 256


def test_equal_maxima_share() -> None:
    maps = torch.tensor([[[[2.0, 2.0], [1.0, 0.0]]]])
    found = max_contributions(maps, torch.tensor([3.0]))
    torch.testing.assert_close(found, torch.tensor([[[3.0, 3.0], [0.0, 0.0]]]))


@pytest.mark.parametrize("case", OTHERS)
def test_other_networks_have_no_map(case: str) -> None:
    built = build_classifier_network(manifest(network=OTHERS[case]))
    assert not built.explainable
    with pytest.raises(NotImplementedError, match="no heatmap"):
        built.explain(planes(built))


def test_the_served_module_has_maps_of_both_passes() -> None:
    spec = manifest(reference={"face_px": 40, "weight": 0.5})
    built = build_classifier_network(spec)
    crops = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
    with torch.inference_mode():
        logits, maps = served_module(built, spec)(crops)
        torch.testing.assert_close(logits, InferenceModule(built, spec)(crops))
        bias = 0.5 * built.head.linear.bias  # type: ignore[union-attr]
        torch.testing.assert_close(maps.sum(dim=(1, 2)) + bias, logits)


def test_a_network_without_maps_is_served_with_logits_only() -> None:
    spec = manifest(network={"name": "meso4"})
    assert type(served_module(build_classifier_network(spec), spec)) is InferenceModule
