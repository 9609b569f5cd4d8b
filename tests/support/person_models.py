"""Models of people: a tiny network that returns the mean colour of a face."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import onnx
import yaml
from onnx import TensorProto, helper


def mean_colour(size: int = 16) -> bytes:
    """Returns a network whose vector is the mean of each colour."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["pixels"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["vector"]),
        ],
        "colours",
        [value("pixels", TensorProto.FLOAT, [1, 3, size, size])],
        [value("vector", TensorProto.FLOAT, [1, 3])],
    )
    opset = [helper.make_opsetid("", 13)]
    network: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    onnx.checker.check_model(network)
    return network


def write_model(folder: Path, network: bytes | None = None, **given: Any) -> Path:
    content = mean_colour() if network is None else network
    (folder / "colours.onnx").write_bytes(content)
    weights = {
        "file": "colours.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "licence": "CC0-1.0",
        "source": "a test",
    }
    entries = {"name": "colours", "size": 16, "weights": weights, "similarity": 0.8} | given
    path = folder / "colours.yaml"
    path.write_text(yaml.safe_dump(entries))
    return path
