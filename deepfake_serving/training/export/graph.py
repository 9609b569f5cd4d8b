"""The whole network as one ONNX graph, from crops to logits, and what ONNX Runtime makes of it."""

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
_BATCH = 16


def batches(crops: Sequence[Pixels]) -> list[Pixels]:
    """uint8 (s, s, 3) crops → uint8 (n, s, s, 3) arrays."""
    return [np.stack(crops[i : i + _BATCH]) for i in range(0, len(crops), _BATCH)]


@torch.inference_mode()
def torch_logits(judging: InferenceModule, crops: Sequence[Pixels]) -> Floats:
    """uint8 (s, s, 3) crops → logits (n,), by torch."""
    return joined([judging(torch.from_numpy(b)).numpy() for b in batches(crops)])


def write_onnx(judging: InferenceModule, path: Path) -> None:
    """One file, any number of 8-bit crops (n, s, s, 3). The exporter's notes of source lines go."""
    import onnx

    size = judging.crop.size
    path.parent.mkdir(parents=True, exist_ok=True)
    program = torch.onnx.export(
        judging.eval(),
        (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
        dynamo=True,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    parts: list[Any] = [*model.graph.node, *model.graph.value_info, *model.graph.initializer]
    for part in (*parts, model.graph):
        del part.metadata_props[:]
    onnx.save(model, str(path))


def onnx_logits(path: Path, crops: Sequence[Pixels]) -> Floats:
    """uint8 (s, s, 3) crops → logits (n,), by ONNX Runtime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return joined([session.run([OUTPUT], {INPUT: b})[0] for b in batches(crops)])


def joined(parts: Sequence[npt.NDArray[np.float32]]) -> Floats:
    """Batches' logits as one array (n,)."""
    return np.concatenate([np.asarray(p, np.float64) for p in parts])
