"""The import of models that embed faces."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from deepfake_serving.packaging.checkpoints.state import CheckpointError
from deepfake_serving.packaging.embeddings.mobilenet import mobilenet_graph
from deepfake_serving.packaging.embeddings.run import EmbeddingRequest, import_embedding
from deepfake_serving.packaging.embeddings.tfjs import Weights, read_tfjs
from deepfake_serving.video.people.embedder import FaceEmbedder
from tests.unit.video.test_people import face, mean_colour

WIDTHS = [4, 8, 12, 12, 16, 16, 20, 20, 20, 20, 20, 20, 24, 24]
STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]


def weights(rng: np.random.Generator) -> Weights:
    """Returns random weights of a narrow network, in TensorFlow's layout."""

    def some(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.4, shape).astype(np.float32)

    found = {
        "conv1/convolution/merged_input": some(3, 3, 3, WIDTHS[0]),
        "conv1_bn/batchnorm_1/sub": some(WIDTHS[0]),
    }
    for block, (before, after) in enumerate(pairwise(WIDTHS), start=1):
        found |= {
            f"conv_dw_{block}/depthwise_kernel": some(3, 3, before, 1),
            f"conv_dw_{block}_bn/batchnorm_1/mul": some(before) + 1,
            f"conv_dw_{block}_bn/batchnorm_1/sub": some(before) + 1,
            f"conv_pw_{block}/convolution/merged_input": some(1, 1, before, after),
            f"conv_pw_{block}_bn/batchnorm_1/sub": some(after) + 1,
        }
    return found


def reference(found: Weights, pixels: torch.Tensor) -> torch.Tensor:
    """Computes the network in torch; TensorFlow pads at the end of even sides."""

    def convolve(
        x: torch.Tensor, kernel: np.ndarray, bias: np.ndarray, stride: int
    ) -> torch.Tensor:
        groups = x.shape[1] if kernel.shape[1] == 1 and kernel.shape[2] == 3 else 1
        edge = kernel.shape[2] - stride if kernel.shape[2] > 1 else 0
        padded = nn.functional.pad(x, (edge // 2, edge - edge // 2) * 2)
        arrays = torch.tensor(kernel), torch.tensor(bias)
        return nn.functional.conv2d(padded, *arrays, stride=stride, groups=groups).clamp(0, 6)

    first = found["conv1/convolution/merged_input"].transpose(3, 2, 0, 1)
    x = convolve(pixels, first, found["conv1_bn/batchnorm_1/sub"], 2)
    for block, stride in enumerate(STRIDES, start=1):
        scale = found[f"conv_dw_{block}_bn/batchnorm_1/mul"][:, None, None, None]
        kernel = found[f"conv_dw_{block}/depthwise_kernel"].transpose(2, 3, 0, 1) * scale
        x = convolve(x, kernel, found[f"conv_dw_{block}_bn/batchnorm_1/sub"], stride)
        kernel = found[f"conv_pw_{block}/convolution/merged_input"].transpose(3, 2, 0, 1)
        x = convolve(x, kernel, found[f"conv_pw_{block}_bn/batchnorm_1/sub"], 1)
    return x.mean(dim=(2, 3))


def write_tfjs(folder: Path, found: Weights) -> Path:
    entries = [{"name": n, "shape": list(v.shape), "dtype": "float32"} for n, v in found.items()]
    document = {"weightsManifest": [{"paths": ["model.bin"], "weights": entries}]}
    (folder / "model.json").write_text(json.dumps(document))
    (folder / "model.bin").write_bytes(b"".join(v.tobytes() for v in found.values()))
    return folder / "model.json"


def test_the_graph_is_the_network(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    found = read_tfjs(write_tfjs(tmp_path, weights(rng)))
    graph = mobilenet_graph(found, 64)
    pixels = rng.normal(0, 50, (1, 3, 64, 64)).astype(np.float32)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    (vector,) = session.run(None, {"pixels": pixels})[0]
    (expected,) = reference(found, torch.tensor(pixels)).numpy()
    assert expected.std() > 0.01
    assert vector == pytest.approx(expected, abs=1e-4)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    found = weights(np.random.default_rng(0))
    del found["conv_dw_3_bn/batchnorm_1/mul"]
    with pytest.raises(CheckpointError, match="conv_dw_3_bn"):
        mobilenet_graph(found, 64)


@pytest.mark.parametrize("change", [b"", b"\0\0\0\0"])
def test_a_file_of_another_length_is_refused(change: bytes, tmp_path: Path) -> None:
    path = write_tfjs(tmp_path, weights(np.random.default_rng(0)))
    data = (tmp_path / "model.bin").read_bytes()
    (tmp_path / "model.bin").write_bytes(data + change if change else data[:-4])
    with pytest.raises(CheckpointError, match="not a graph model"):
        read_tfjs(path)


def test_an_onnx_model_is_imported_with_a_manifest_and_a_card(tmp_path: Path) -> None:
    source = tmp_path / "any.onnx"
    source.write_bytes(mean_colour(112))
    request = EmbeddingRequest("face-embedding-onnx", str(source), tmp_path / "out", "CC0-1.0", "a")
    manifest = import_embedding(request, lambda _: None)
    (vector,) = FaceEmbedder(manifest).embed([face(255, 0, 0)])
    assert vector == pytest.approx(np.array([1, -1, -1]) / np.sqrt(3), abs=1e-2)
    assert "no vector is stored" in (tmp_path / "out" / "a.md").read_text().replace("\n", " ")


def test_the_licence_has_to_be_named_where_it_is_unknown(tmp_path: Path) -> None:
    request = EmbeddingRequest("face-embedding-onnx", str(tmp_path / "any.onnx"), tmp_path)
    with pytest.raises(CheckpointError, match="--licence"):
        import_embedding(request, lambda _: None)


def test_another_file_than_the_published_one_is_refused(tmp_path: Path) -> None:
    path = write_tfjs(tmp_path, weights(np.random.default_rng(0)))
    (tmp_path / "faceres-deep.bin").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"faceres-deep\.json: sha256"):
        import_embedding(EmbeddingRequest("faceres-deep", str(path), tmp_path), lambda _: None)
