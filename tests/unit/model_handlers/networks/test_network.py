"""Encoder, head and network, and the classifier that runs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from model_handlers.backends.pytorch import TorchGraph, build_classifier
from model_handlers.manifest import (
    MANIFEST_FILE,
    NETWORK_FILE,
    CropSpec,
    HeadSpec,
    Manifest,
    ManifestError,
    parse_manifest,
    read_manifest,
)
from model_handlers.networks.encoder import build_encoder, stage_features, stage_maps
from model_handlers.networks.head import CNNHead
from model_handlers.networks.network import Network, build_network
from model_handlers.networks.reduction import Reduction
from model_handlers.networks.srm import SRM
from model_handlers.pipeline import classifier as classifier_module
from model_handlers.pipeline.classifier import Classifier
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.stopwatch import Stopwatch

CPU = torch.device("cpu")


def manifest(**values: Any) -> Manifest:
    given = {"name": "test", "version": "1.0", "task": "classifier", **values}
    return parse_manifest(given, "test.yaml")


def stem_channels(network: Network) -> int:
    first = next(m for m in network.encoder.modules() if isinstance(m, nn.Conv2d))
    return first.in_channels


def crops(count: int = 2, size: int = 64, seed: int = 0) -> Tensor:
    values = np.random.default_rng(seed).integers(0, 256, (count, 3, size, size))
    return torch.tensor(values, dtype=torch.float32)


# Encoder -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "features"),
    [
        ("efficientnet_b0", 1280),
        ("efficientnet_b1", 1280),
        ("efficientnet_b2", 1408),
        ("efficientnet_b3", 1536),
        ("efficientnet_b4", 1792),
        ("efficientnet_b5", 2048),
        ("efficientnet_b6", 2304),
        ("efficientnet_b7", 2560),
        ("tf_efficientnetv2_b0", 1280),
        ("tf_efficientnetv2_s", 1280),
        ("efficientnetv2_rw_t", 1024),
    ],
)
def test_every_efficientnet_can_be_built(architecture: str, features: int) -> None:
    spec = manifest(encoder={"architecture": architecture})
    with torch.device("meta"):  # shapes without numbers
        network = build_network(spec)
        maps = network.encoder(torch.zeros(2, 12, 96, 96))
        logits = network(torch.zeros(2, 3, 96, 96))
    assert maps.shape == (2, features, 3, 3)
    assert logits.shape == (2,)


@pytest.mark.parametrize(
    "architecture", ["resnet50", "efficientnet_b99", "", "hf_hub:somebody/efficientnet_b0"]
)
def test_an_unknown_encoder_is_refused_by_name(architecture: str) -> None:
    with pytest.raises(ManifestError, match=r"encoder\.architecture: .*" + architecture):
        build_encoder(manifest(encoder={"architecture": architecture}).encoder, 3)


def test_stage_maps_are_those_of_the_last_three_resolutions() -> None:
    encoder, _ = build_encoder(
        manifest(encoder={"architecture": "tf_efficientnet_lite0"}).encoder, 3
    )
    features, stages = stage_maps(encoder.eval(), torch.rand(2, 3, 96, 96))
    assert [tuple(maps.shape[1:]) for maps in stages] == [
        (40, 12, 12),
        (112, 6, 6),
        (320, 3, 3),
    ]
    assert features.shape == (2, 1280, 3, 3)
    assert stage_features(encoder) == 472


# Head --------------------------------------------------------------------------------------------


def test_the_head_pools_averages_and_maxima() -> None:
    head = CNNHead(HeadSpec(channels=8), 8).eval()
    head.convolutions = nn.Sequential()
    maps = torch.rand(3, 8, 4, 5)
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias.zero_()
        head.linear.weight[0, 2] = 1
        np.testing.assert_allclose(head(maps), maps[:, 2].mean(dim=(1, 2)), rtol=1e-6)
        head.linear.weight[0, 2] = 0
        head.linear.weight[0, 8 + 5] = 1
        np.testing.assert_allclose(head(maps), maps[:, 5].amax(dim=(1, 2)), rtol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (7, 7)])
def test_the_head_accepts_feature_maps_of_any_size(size: tuple[int, int]) -> None:
    head = CNNHead(HeadSpec(channels=16), 24).eval()
    assert head(torch.rand(5, 24, *size)).shape == (5,)


def test_dropout_comes_from_the_manifest_and_is_off_in_evaluation() -> None:
    head = CNNHead(HeadSpec(dropout=0.5), 24)
    assert head.dropout.p == 0.5
    maps = torch.rand(4, 24, 3, 3)
    assert not torch.equal(head.train()(maps), head(maps))
    assert torch.equal(head.eval()(maps), head(maps))


# Network -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noise", "channels"),
    [
        ({"input": "rgb"}, 3),
        ({"input": "noise"}, 9),
        ({"input": "rgb+noise"}, 12),
        ({"input": "noise", "kernels": ["line"]}, 3),
        ({"input": "rgb+noise", "kernels": ["square", "line"]}, 9),
    ],
)
def test_the_noise_setting_determines_the_input_channels(
    noise: dict[str, Any], channels: int
) -> None:
    network = build_network(manifest(noise=noise))
    with torch.no_grad():
        assert network.planes(crops()).shape == (2, channels, 64, 64)
        assert stem_channels(network) == channels
        assert network(crops()).shape == (2,)


@pytest.mark.parametrize("architecture", ["efficientnet_b0", "tf_efficientnetv2_b0"])
def test_logits_are_finite_and_independent_of_the_batch(architecture: str) -> None:
    network = build_network(manifest(encoder={"architecture": architecture}))
    with torch.no_grad():
        together = network(crops(4))
        alone = torch.cat([network(crop[None]) for crop in crops(4)])
    assert torch.isfinite(together).all()
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_planes_are_normalised_rgb_and_then_residuals() -> None:
    spec = manifest(encoder={"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.25, 2.0]})
    planes = build_network(spec).planes(crops())
    for channel, (mean, std) in enumerate([(0.1, 0.5), (0.2, 0.25), (0.3, 2.0)]):
        expected = (crops()[:, channel] / 255 - mean) / std
        torch.testing.assert_close(planes[:, channel], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(planes[:, 3:], SRM(spec.noise)(crops()))


def test_forward_is_the_classification_of_the_planes() -> None:
    network = build_network(manifest())
    with torch.no_grad():
        assert torch.equal(network(crops()), network.classify(network.planes(crops())))


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = build_network(manifest()), build_network(manifest())
    assert first.state_dict().keys() == second.state_dict().keys()
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key


def test_another_seed_gives_other_weights() -> None:
    first, second = build_network(manifest()), build_network(manifest(), seed=1)
    assert not torch.equal(first.head.linear.weight, second.head.linear.weight)
    assert not torch.equal(next(first.encoder.parameters()), next(second.encoder.parameters()))


def test_building_a_network_does_not_change_the_global_generator() -> None:
    before = torch.get_rng_state()
    build_network(manifest())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_network_is_built_in_evaluation_mode() -> None:
    assert not any(module.training for module in build_network(manifest()).modules())


def test_normalisation_constants_are_not_in_the_weights_file() -> None:
    keys = build_network(manifest()).state_dict().keys()
    assert not {"mean", "std"} & set(keys)
    assert {key.split(".")[0] for key in keys} == {"srm", "encoder", "head"}


@pytest.mark.parametrize("learnable", [False, True])
def test_kernels_get_gradients_only_if_learnable(learnable: bool) -> None:
    network = build_network(manifest(noise={"learnable": learnable, "truncation": 300}))
    network.train()(crops()).sum().backward()
    assert network.srm is not None
    gradient = network.srm.weight.grad
    assert (gradient is not None and bool(gradient.abs().sum() > 0)) == learnable
    assert next(network.encoder.parameters()).grad is not None


# Classifier --------------------------------------------------------------------------------------


def faces(count: int) -> list[Pixels]:
    return [np.ascontiguousarray(crop.permute(1, 2, 0).byte().numpy()) for crop in crops(count)]


def classifier(spec: Manifest, weights: Any = None) -> Classifier:
    """Builds a classifier on torch; test_backends compares OpenVINO with it."""
    return Classifier(spec, build_classifier(spec, weights, CPU))


def network_of(given: Classifier) -> Network:
    assert isinstance(given.network, TorchGraph)
    network = given.network.module.network
    assert isinstance(network, Network)
    return network


def test_no_crops_have_no_probabilities() -> None:
    assert classifier(manifest()).classify([], [], Stopwatch()).shape == (0,)


def test_probabilities_are_the_calibrated_logits_of_the_network() -> None:
    spec = manifest(calibration={"method": "platt", "slope": 2.0, "intercept": 0.7})
    with torch.no_grad():
        logits = build_network(spec)(crops(3)).double().numpy()
    found = classifier(spec).classify(faces(3), [200.0] * 3, Stopwatch())
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-2 * logits - 0.7)), atol=1e-6)


def test_calibration_gets_the_size_and_detail_of_each_crop() -> None:
    calibration = {"method": "platt", "intercept": 4.0}
    limits = {"certain_from_px": 100.0, "certain_from_detail": 3.0}
    sharp = faces(1)[0]
    blank = np.full_like(sharp, 128)
    spec = manifest(calibration=calibration | limits)
    found = classifier(spec).classify([blank, sharp, sharp], [200, 200, 1], Stopwatch())
    assert found[0] == pytest.approx(0.5, abs=1e-3)
    assert found[1] > 0.6
    assert found[2] == pytest.approx(0.5, abs=0.01)


def test_large_batches_are_split_into_several_forward_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole_and_parts = classifier(manifest())
    sizes: list[int] = []
    explain = Network.explain
    monkeypatch.setattr(
        Network,
        "explain",
        lambda self, planes: (sizes.append(len(planes)), explain(self, planes))[1],
    )
    whole = whole_and_parts.classify(faces(5), [200.0] * 5, Stopwatch())
    monkeypatch.setattr(classifier_module, "_MAX_FORWARD_BATCH", 2)
    parts = whole_and_parts.classify(faces(5), [200.0] * 5, Stopwatch())
    assert sizes == [5, 2, 2, 1]
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_bf16_is_close_to_fp32_but_not_the_same(
    unpacked: Callable[[str], Path], astronaut: Pixels
) -> None:
    folder = unpacked("detector")
    weights, spec = load_file(folder / NETWORK_FILE), read_manifest(folder / MANIFEST_FILE)
    exact = classifier(spec, weights)
    rough = classifier(spec.model_copy(update={"precision": "bf16"}), weights)
    patches = [np.ascontiguousarray(astronaut[y : y + 224, 90:314]) for y in (0, 120, 240)]
    a, b = (c.classify(patches, [200.0] * len(patches), Stopwatch()) for c in (exact, rough))
    np.testing.assert_allclose(a, b, atol=0.1)
    assert not np.array_equal(a, b)


def test_classification_is_timed() -> None:
    watch = Stopwatch()
    classifier(manifest()).classify(faces(1), [200.0] * 1, watch)
    assert set(watch.seconds) == {"classify"}
    assert all(seconds > 0 for seconds in watch.seconds.values())


def test_weights_from_a_file_are_loaded() -> None:
    weights = build_network(manifest(), seed=3).state_dict()
    loaded = network_of(classifier(manifest(), weights)).state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in weights.items())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda w: w.pop("head.linear.weight"), "head.linear.weight"),
        (lambda w: w.update(extra=torch.zeros(1)), "extra"),
        (lambda w: w.update({"head.linear.bias": torch.zeros(7)}), "size mismatch"),
    ],
    ids=["missing", "unexpected", "misshapen"],
)
def test_weights_that_do_not_fit_are_a_manifest_error(change: Any, reason: str) -> None:
    weights = build_network(manifest()).state_dict()
    change(weights)
    with pytest.raises(ManifestError, match=rf"(?s)test: weights\.file: .*{reason}"):
        classifier(manifest(), weights)


def test_weights_that_give_nan_raise_an_error() -> None:
    broken = classifier(manifest())
    with torch.no_grad():
        network_of(broken).head.linear.bias.fill_(float("nan"))
    crop = np.full((224, 224, 3), 128, np.uint8)
    with pytest.raises(ArithmeticError, match="weights"):
        broken.classify([crop], [200.0], Stopwatch())


def test_the_logits_of_the_reduced_crop_are_subtracted() -> None:
    spec = manifest(crop={"size": 64}, reference={"face_px": 20, "weight": 0.5})
    alone = classifier(spec.model_copy(update={"reference": None}))
    both = classifier(spec, network_of(alone))
    patches = [p[:64, :64].copy() for p in faces(3)]
    batch = torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2).float()
    fewer = Reduction(spec.crop, 20)(batch).permute(0, 2, 3, 1).round().byte().numpy()
    first, second = (
        alone.logits(looks, Stopwatch()) for looks in (patches, [f.copy() for f in fewer])
    )
    np.testing.assert_allclose(both.logits(patches, Stopwatch()), first - 0.5 * second, atol=1e-4)


def test_the_odds_of_the_synthesis_head_are_added() -> None:
    network = build_network(manifest(head={"synthesis": True}))
    assert network.synthesis is not None
    planes = network.planes(crops())
    with torch.no_grad():
        features, stages = stage_maps(network.encoder, planes)
        torch.testing.assert_close(features, network.encoder(planes))
        odds = network.head(features).exp() + network.synthesis(stages).exp()
        torch.testing.assert_close(network.classify(planes), odds.log())


def test_a_synthesis_head_of_no_odds_changes_nothing() -> None:
    first = build_network(manifest())
    both = build_network(manifest(head={"synthesis": True}))
    assert both.synthesis is not None
    assert not both.load_state_dict(first.state_dict(), strict=False).unexpected_keys
    with torch.no_grad():
        both.synthesis.bias.fill_(-40)
        torch.testing.assert_close(both(crops()), first(crops()))


def test_reduction_removes_frequencies_above_the_reduced_size() -> None:
    """No frequencies remain above those of a face of 20 px; the crop keeps its size."""
    noise = crops(1, size=128)
    spec = CropSpec(size=128, margin=1.25)
    blurred = Reduction(spec, 20)(noise)
    assert blurred.shape == noise.shape
    spectrum = torch.fft.fft2(blurred - blurred.mean()).abs().square()[0].mean(0)
    low = spectrum[:16, :16].sum() + spectrum[-16:, :16].sum()
    low = low + spectrum[:16, -16:].sum() + spectrum[-16:, -16:].sum()
    assert low / spectrum.sum() > 0.95
    assert (Reduction(spec, 500)(noise) - noise).abs().max() < 1, "a smaller face is not changed"
