"""The network as one ONNX graph, from crops to logits, and its logits under ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model_handlers.networks.inference import InferenceModule
from model_handlers.pipeline.calibration import Floats
from model_handlers.pipeline.decode import Pixels

INPUT, OUTPUT = "crops", "logits"
_BATCH_SIZE = 16


def batches(crops: Sequence[Pixels]) -> list[Pixels]:
    """Stacks uint8 (s, s, 3) crops into uint8 (n, s, s, 3) arrays."""
    return [np.stack(crops[i : i + _BATCH_SIZE]) for i in range(0, len(crops), _BATCH_SIZE)]


@torch.inference_mode()
def torch_logits(module: InferenceModule, crops: Sequence[Pixels]) -> Floats:
    """Computes logits (n,) of uint8 (s, s, 3) crops with PyTorch."""
    return concatenate([module(torch.from_numpy(b)).numpy() for b in batches(crops)])


def write_onnx(module: InferenceModule, path: Path) -> None:
    """Exports to one file with a dynamic batch of uint8 crops (n, s, s, 3).

    The exporter's metadata (source paths and lines) is removed.
    """
    import onnx

    size = module.crop.size
    path.parent.mkdir(parents=True, exist_ok=True)
    program = torch.onnx.export(
        module.eval(),
        (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
        dynamo=True,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    elements: list[Any] = [*model.graph.node, *model.graph.value_info, *model.graph.initializer]
    for element in (*elements, model.graph):
        del element.metadata_props[:]
    onnx.save(model, str(path))


def onnx_logits(path: Path, crops: Sequence[Pixels]) -> Floats:
    """Computes logits (n,) of uint8 (s, s, 3) crops with ONNX Runtime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return concatenate([session.run([OUTPUT], {INPUT: b})[0] for b in batches(crops)])


def concatenate(logits: Sequence[npt.NDArray[np.float32]]) -> Floats:
    """Joins the logits of batches to one array (n,)."""
    return np.concatenate([np.asarray(batch, np.float64) for batch in logits])
