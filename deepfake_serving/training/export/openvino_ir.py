"""The network as OpenVINO IR, and its logits under the CPU plugin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deepfake_serving.training.export.half_precision import MAX_FP32_VALUES
from deepfake_serving.training.export.onnx_graph import batches, concatenate
from model_handlers.pipeline.calibration import Floats
from model_handlers.pipeline.decode import Pixels


def write_openvino(onnx_path: Path, path: Path) -> None:
    """`path` (.xml) and its weights beside it (.bin), the large ones in fp16.

    `save_model(compress_to_fp16=True)` would halve the SRM kernels as well, which moves the
    probabilities eight times as far as they may (see `half_precision`).
    """
    from model_handlers.backends.openvino_runtime import openvino

    model = openvino.convert_model(str(onnx_path))
    for node in model.get_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != openvino.Type.f32:
            continue
        if node.data.size > MAX_FP32_VALUES:
            half = openvino.opset13.constant(node.data.astype(np.float16))
            node.output(0).replace(openvino.opset13.convert(half, "f32").output(0))
    path.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, str(path), compress_to_fp16=False)


def openvino_logits(path: Path, crops: Sequence[Pixels]) -> Floats:
    """Computes logits (n,) of uint8 (s, s, 3) crops in fp32."""
    from model_handlers.backends.openvino_runtime import openvino

    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(str(path), "CPU", hint)
    return concatenate([model(b)[0] for b in batches(crops)])
