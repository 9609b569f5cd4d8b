"""Exported formats: each equals the one before, and deviations are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deepfake_serving.training.export.comparison import (
    MAX_PROBABILITY_DIFFERENCE,
    ExportError,
    compare_logits,
)
from deepfake_serving.training.export.half_precision import (
    MAX_FP32_VALUES,
    load_weights,
    read_network,
    serialize,
    to_half,
)
from deepfake_serving.training.export.onnx_graph import (
    InferenceModule,
    batches,
    onnx_logits,
    torch_logits,
    write_onnx,
)
from deepfake_serving.training.export.openvino_ir import openvino_logits, write_openvino
from deepfake_serving.training.export.sample_crops import sample_crops
from model_handlers.backends.pytorch import build_classifier
from model_handlers.manifest import CalibrationSpec, Manifest, ReferenceSpec, parse_manifest
from model_handlers.networks.network import Network, build_network
from model_handlers.pipeline.classifier import Classifier
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.stopwatch import Stopwatch
from tests.support.paths import ROOT
from tests.support.small_manifests import LITE0_ENCODER, small_manifest

IDENTITY = CalibrationSpec()
MANIFEST = parse_manifest(small_manifest(task="classifier", encoder=LITE0_ENCODER), "small")


def informative_network(manifest: Manifest) -> Network:
    """Returns a network that separates crops, with its last layer scaled by thirty."""
    network = build_network(manifest)
    with torch.no_grad():
        network.head.linear.weight.mul_(30)
    return network


@pytest.fixture(scope="module")
def network() -> Network:
    return informative_network(MANIFEST)


@pytest.fixture(scope="module")
def crops() -> list[Pixels]:
    return sample_crops(MANIFEST.crop, 8)


@pytest.fixture(scope="module")
def graph(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graphs") / "tiny.onnx"
    write_onnx(InferenceModule(network, MANIFEST), path)
    return path


def logits(network: Network, crops: list[Pixels]) -> np.ndarray:
    return torch_logits(InferenceModule(network, MANIFEST).eval(), crops)


# Crops ------------------------------------------------------------------------------------------


def test_sample_crops_depend_on_the_seed_and_differ(crops: list[Pixels], tmp_path: Path) -> None:
    again, others = (sample_crops(MANIFEST.crop, 8, seed) for seed in (0, 1))
    assert all(c.shape == (64, 64, 3) and c.dtype == np.uint8 for c in crops)
    np.testing.assert_array_equal(crops, again)
    assert not np.array_equal(crops, others)
    with pytest.raises(ValueError, match="no image"):
        sample_crops(MANIFEST.crop, 1, folder=tmp_path)


def test_images_of_a_folder_are_resized_and_appended(astronaut_jpeg: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(astronaut_jpeg)
    crops = sample_crops(MANIFEST.crop, 2, folder=tmp_path)
    assert len(crops) == 3
    assert crops[-1].shape == (64, 64, 3)


def test_a_synthesis_head_is_exported(crops: list[Pixels], tmp_path: Path) -> None:
    head = MANIFEST.head.model_copy(update={"synthesis": True})
    encoder = MANIFEST.encoder.model_copy(update={"architecture": "test_efficientnet"})
    spec = MANIFEST.model_copy(update={"head": head, "encoder": encoder})
    network = informative_network(spec)
    assert network.synthesis is not None
    module = InferenceModule(network, spec).eval()
    with torch.no_grad():
        network.synthesis.weight.zero_()
        alone = torch_logits(module, crops)
        torch.nn.init.normal_(network.synthesis.weight)
    write_onnx(module, tmp_path / "both.onnx")
    write_openvino(tmp_path / "both.onnx", tmp_path / "both.xml")
    expected = torch_logits(module, crops)
    assert not np.allclose(expected, alone)
    np.testing.assert_allclose(onnx_logits(tmp_path / "both.onnx", crops), expected, atol=1e-3)
    np.testing.assert_allclose(openvino_logits(tmp_path / "both.xml", crops), expected, atol=2e-2)


# Half precision ----------------------------------------------------------------------------------


def test_half_precision_predicts_like_the_trained_weights(
    network: Network, crops: list[Pixels]
) -> None:
    state = to_half(network.state_dict())
    before, after = logits(network, crops), logits(load_weights(MANIFEST, state), crops)
    assert before.std() > 0.1, "a network that does not separate crops proves nothing"
    found = compare_logits("half", before, after, IDENTITY)
    assert 0 < found.probability <= MAX_PROBABILITY_DIFFERENCE
    assert found.crops == 8


def test_only_large_float_tensors_become_half_precision(network: Network) -> None:
    state = network.state_dict()
    for name, tensor in to_half(state).items():
        large = state[name].is_floating_point() and state[name].numel() > MAX_FP32_VALUES
        assert tensor.dtype == (torch.float16 if large else state[name].dtype), name
    content = serialize(to_half(state))
    assert len(content) < 0.65 * len(serialize(state))
    assert content == serialize(dict(reversed(to_half(state).items())))


@pytest.mark.parametrize(("value", "reason"), [(1e6, "too large"), (float("nan"), "not finite")])
def test_weights_outside_the_range_of_half_precision_are_refused(
    network: Network, value: float, reason: str
) -> None:
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state["encoder.conv_head.weight"][0, 0] = value
    with pytest.raises(ExportError, match=f"conv_head.*{reason}"):
        to_half(state)


def test_broken_missing_and_unknown_weights_are_refused(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    with pytest.raises(ExportError):
        read_network(path, MANIFEST)
    content = serialize(network.state_dict())
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ExportError):
        read_network(path, MANIFEST)
    foreign = MANIFEST.model_copy(update={"head": MANIFEST.head.model_copy(update={"channels": 8})})
    path.write_bytes(content)
    with pytest.raises(ExportError, match="of another network"):
        read_network(path, foreign)


# Limits ------------------------------------------------------------------------------------------


def test_a_changed_weight_is_refused(network: Network, crops: list[Pixels]) -> None:
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state["head.linear.bias"] += 0.01
    with pytest.raises(ExportError, match=r"half: .*0\.01"):
        compare_logits(
            "half", logits(network, crops), logits(load_weights(MANIFEST, state), crops), IDENTITY
        )


def test_calibrated_probabilities_are_compared() -> None:
    flat = CalibrationSpec(method="temperature", temperature=100)
    one, other = np.array([0.0, 1.0]), np.array([0.01, 1.0])
    assert compare_logits("x", one, other, flat).logit == pytest.approx(0.01)
    with pytest.raises(ExportError):
        compare_logits("x", one, other, IDENTITY)
    with pytest.raises(ExportError, match="differ"):
        compare_logits("x", one, one + 1, CalibrationSpec(method="temperature", temperature=1e9))


@pytest.mark.parametrize("found", [[0.0, np.nan], [np.inf, 0.0], [0.0]])
def test_values_that_are_not_logits_are_refused(found: list[float]) -> None:
    with pytest.raises(ExportError):
        compare_logits("x", np.zeros(2), np.array(found), IDENTITY)


# Graphs ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_onnx_and_openvino_predict_like_torch_for_any_batch_size(
    network: Network, graph: Path, crops: list[Pixels], tmp_path: Path
) -> None:
    expected = logits(network, crops)
    compare_logits("onnx", expected, onnx_logits(graph, crops), IDENTITY, 1e-4)
    assert onnx_logits(graph, crops[:1])[0] == pytest.approx(expected[0], abs=1e-3)
    xml = tmp_path / "tiny.xml"
    write_openvino(graph, xml)
    compare_logits("openvino", expected, openvino_logits(xml, crops), IDENTITY)
    assert xml.with_suffix(".bin").stat().st_size < 0.65 * graph.stat().st_size


def test_the_graph_contains_no_local_paths(graph: Path) -> None:
    content = graph.read_bytes()
    assert str(ROOT).encode() not in content
    assert b"site-packages" not in content


def test_the_reference_prediction_is_exported(crops: list[Pixels]) -> None:
    second = MANIFEST.model_copy(update={"reference": ReferenceSpec(face_px=24)})
    network = informative_network(second)
    classifying = build_classifier(second, network.state_dict(), torch.device("cpu"))
    expected = Classifier(second, classifying)
    found = torch_logits(InferenceModule(network, second).eval(), crops)
    np.testing.assert_allclose(found, expected.logits(crops, Stopwatch()), atol=1e-3)
    assert np.abs(found - logits(network, crops)).max() > 0.01


def test_batches_contain_unchanged_pixels(crops: list[Pixels]) -> None:
    (batch,) = batches(crops)
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch[3], crops[3])
