"""Named networks: shapes, parameters and logits, and the pixels that they get.

The goldens are logits of networks with seed 0. Agreement with the authors' code was measured once;
docs/models/zoo.md has the figures.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model_handlers.manifest import Manifest, ManifestError, parse_manifest
from model_handlers.networks.inference import InferenceModule, build_classifier_network
from model_handlers.networks.named import BUILDERS, NamedNetwork, single_logit
from model_handlers.networks.network import build_network
from model_handlers.networks.zoo.detr import FixedPositions
from model_handlers.networks.zoo.effort import fold_residual
from model_handlers.networks.zoo.frequency import (
    FrequencyDecomposition,
    GradientPlanes,
    LocalStatistics,
    dct_matrix,
)
from model_handlers.networks.zoo.genconvit import mean_logit

SMALL_DETR = {
    **{"name": "detr", "architecture": "test_efficientnet", "width": 32, "heads": 4},
    **{"encoder_layers": 1, "decoder_layers": 2, "feedforward": 64},
}

NETWORKS: dict[str, tuple[dict[str, Any], int, list[float]]] = {
    "meso4": ({"name": "meso4"}, 64, [0.085481, 0.08475]),
    "meso_inception4": ({"name": "meso_inception4", "classes": 2}, 64, [-0.126325, -0.1306]),
    "xception": ({"name": "xception"}, 71, [0.008565, 0.008552]),
    "efficientnet": (
        {"name": "efficientnet", "architecture": "test_efficientnet"},
        64,
        [0.019224, 0.02151],
    ),
    "attentive": (
        {"name": "efficientnet", "architecture": "test_efficientnet", "attention_after": 1},
        64,
        [0.009721, 0.009494],
    ),
    "detr": (SMALL_DETR, 64, [0.229419, 0.22611]),
    "detr, learned": (
        {**SMALL_DETR, "positions": "learned", "queries": 3},
        64,
        [0.698453, 0.696833],
    ),
    "f3net": ({"name": "f3net"}, 72, [0.006928, 0.006951]),
    "gradients": (
        {"name": "f3net", "branches": "gradients", "classes": 2},
        71,
        [-0.015227, -0.015197],
    ),
    "resnet": ({"name": "resnet", "architecture": "resnet10t"}, 64, [0.033359, 0.039738]),
    "two_stream": ({"name": "two_stream"}, 64, [-0.017165, -0.017151]),
    "ucf": ({"name": "ucf"}, 71, [0.066135, 0.066136]),
    "genconvit": (
        {"name": "genconvit", "architecture": "test_convnext"},
        64,
        [0.005843, -0.001784],
    ),
    "effort": (
        {"name": "effort", "architecture": "vit_xsmall_patch16_clip_224"},
        64,
        [-0.676992, -0.72235],
    ),
}


def manifest(network: dict[str, Any], size: int, **entries: Any) -> Manifest:
    head = {"name": "test", "version": "1.0", "task": "classifier"}
    crop = {"size": size}
    return parse_manifest({**head, "network": network, "crop": crop, **entries}, "test.yaml")


def crops(count: int, size: int) -> Tensor:
    values = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return torch.from_numpy(values)


@pytest.mark.parametrize("case", NETWORKS)
def test_a_seeded_network_has_known_logits(case: str) -> None:
    network, size, golden = NETWORKS[case]
    built = manifest(network, size)
    module = InferenceModule(build_classifier_network(built), built).eval()
    with torch.inference_mode():
        logits = module(crops(2, size))
    torch.testing.assert_close(logits, torch.tensor(golden), rtol=1e-3, atol=1e-4)


def test_every_named_network_is_tested() -> None:
    assert {network["name"] for network, _, _ in NETWORKS.values()} == set(BUILDERS)


@pytest.mark.parametrize(
    ("network", "names"),
    [
        ({"name": "meso4"}, {"conv1.weight", "norm4.running_var", "head.fc1.weight"}),
        ({"name": "meso_inception4"}, {"inception1.branch4.1.bias", "inception2.branch1.weight"}),
        ({"name": "xception"}, {"block12.rep.4.pointwise.weight", "fc.weight"}),
        ({"name": "f3net"}, {"branches.fad.0.filters.3.learnable", "branches.lfs.1.conv1.weight"}),
        (SMALL_DETR, {"transformer.decoder.layers.1.multihead_attn.in_proj_weight"}),
    ],
)
def test_parameters_have_their_authors_names(network: dict[str, Any], names: set[str]) -> None:
    state = build_classifier_network(manifest(network, 64)).state_dict()
    assert {f"body.{name}" for name in names} <= set(state)


# Pixels ------------------------------------------------------------------------------------------


def named(**entries: Any) -> NamedNetwork:
    built = build_classifier_network(manifest({"name": "meso4"}, 64, **entries))
    assert isinstance(built, NamedNetwork)
    return built


def test_planes_have_the_order_and_the_normalisation_of_the_manifest() -> None:
    red = torch.zeros(1, 3, 64, 64)
    red[:, 0] = 255
    spec = {"mean": [0.1, 0.2, 0.5], "std": [1.0, 1.0, 0.25], "colour_order": "bgr"}
    planes = named(input=spec).planes(red)
    torch.testing.assert_close(planes[0, :, 0, 0], torch.tensor([-0.1, -0.2, 2.0]))


def test_the_fake_class_decides_the_sign() -> None:
    planes = torch.rand(2, 3, 64, 64)
    first, second = (named(fake_class=c).classify(planes) for c in (0, 1))
    torch.testing.assert_close(first, -second)


def test_one_logit_has_the_probability_of_all_classes_but_the_first() -> None:
    outputs = torch.randn(5, 4)
    for count in (2, 4):
        part = outputs[:, :count]
        expected = part.softmax(dim=1)[:, 1:].sum(dim=1)
        torch.testing.assert_close(single_logit(part).sigmoid(), expected)


# Manifests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"network": {"name": "alexnet"}}, "network"),
        ({"network": {"name": "meso4"}, "encoder": {"architecture": "x"}}, "encoder has no effect"),
        ({"network": {"name": "meso4"}, "noise": {"input": "rgb"}}, "noise has no effect"),
        ({"fake_class": 0}, "fake_class needs a named network"),
        ({"input": {"colour_order": "bgr"}}, "input needs a named network"),
        ({"network": {**SMALL_DETR, "heads": 5}}, "multiple of heads"),
        ({"network": {"name": "efficientnet", "stem_padding": False}}, "needs padded_for"),
    ],
)
def test_contradictions_are_named(entries: dict[str, Any], reason: str) -> None:
    head = {"name": "test", "version": "1.0", "task": "classifier"}
    with pytest.raises(ManifestError, match=reason):
        parse_manifest({**head, **entries}, "test.yaml")


@pytest.mark.parametrize(
    "network",
    [
        {"name": "efficientnet", "architecture": "resnet50"},
        {"name": "efficientnet", "architecture": "test_efficientnet", "attention_after": 9},
        {"name": "resnet", "architecture": "vit_tiny"},
        {"name": "effort", "architecture": "vit_tiny_patch16_224"},
        {"name": "effort", "architecture": "resnet50_clip"},
        {"name": "genconvit", "architecture": "resnet50"},
    ],
)
def test_a_network_that_does_not_exist_is_named(network: dict[str, Any]) -> None:
    with pytest.raises(ManifestError, match="network"):
        build_classifier_network(manifest(network, 64))


def test_mesonet_needs_a_multiple_of_32() -> None:
    with pytest.raises(ManifestError, match="multiple of 32"):
        build_classifier_network(manifest({"name": "meso4"}, 100))


def test_genconvit_needs_a_multiple_of_32() -> None:
    with pytest.raises(ManifestError, match="multiple of 32"):
        build_classifier_network(manifest({"name": "genconvit"}, 100))


def test_named_networks_are_not_trained() -> None:
    with pytest.raises(ManifestError, match="can't be trained"):
        build_network(manifest({"name": "meso4"}, 64))


# Parts -------------------------------------------------------------------------------------------


def test_the_dct_is_orthonormal() -> None:
    matrix = dct_matrix(24, torch.float64)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(24, dtype=torch.float64))


def test_without_learned_additions_fad_splits_and_keeps_the_image() -> None:
    planes = FrequencyDecomposition(32)
    for band in planes.filters:
        torch.nn.init.zeros_(band.learnable)  # type: ignore[arg-type]
    image = torch.rand(1, 3, 32, 32)
    parts = planes(image)
    torch.testing.assert_close(parts[:, 9:], image, rtol=0, atol=1e-5)


def test_local_statistics_slide_by_two() -> None:
    assert LocalStatistics(window=10, bands=6)(torch.rand(2, 3, 299, 299)).shape == (2, 6, 149, 149)


def test_gradient_planes_of_an_even_image_are_zero_inside() -> None:
    planes = GradientPlanes()(torch.full((1, 3, 16, 16), 0.5))
    torch.testing.assert_close(planes[:, :3], torch.full((1, 3, 16, 16), 0.5))
    torch.testing.assert_close(planes[:, 3:, 2:-2, 2:-2], torch.zeros(1, 9, 12, 12))


def test_fixed_positions_differ_everywhere() -> None:
    table = FixedPositions(32, 4).table.flatten(2)[0].T
    assert len(table.round(decimals=3).unique(dim=0)) == 16


def test_a_residual_of_one_singular_value_is_folded() -> None:
    weight = torch.randn(6, 6, dtype=torch.float64)
    left, singular, right = torch.linalg.svd(weight)
    main = left[:, :5] @ torch.diag(singular[:5]) @ right[:5]
    torch.testing.assert_close(fold_residual(main, left[:, 5:], singular[5:], right[5:]), weight)


def test_the_mean_of_probabilities_has_a_logit_far_from_zero_too() -> None:
    logits = torch.tensor([[1.0, 60.0, -60.0, 60.0], [-2.0, 60.0, -60.0, -60.0]])
    mean = logits.double().sigmoid().mean(dim=0)
    torch.testing.assert_close(mean_logit(logits)[0].double(), mean[0].logit())
    torch.testing.assert_close(mean_logit(logits)[1:], torch.tensor([60.0, -60.0, 0.0]))
