"""Exports torch modules to OpenVINO's intermediate representation, reproducibly."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn


def intermediate_representation(
    module: nn.Module, shape: tuple[int, int, int, int], *, signed: bool = False
) -> tuple[bytes, bytes]:
    """Returns the graph (.xml) and its constants (.bin), in full precision.

    Args:
        module: a module with one input of 8-bit integers.
        shape: shape of the input, such as (n, h, w, 3), -1 for variable sizes.
        signed: whether the integers have a sign.
    """
    from model_handlers.backends.openvino_runtime import openvino

    dtype = torch.int8 if signed else torch.uint8
    example = torch.zeros(1, *(64 if size == -1 else size for size in shape[1:]), dtype=dtype)
    kind = (openvino.PartialShape(list(shape)), openvino.Type.i8 if signed else openvino.Type.u8)
    with warnings.catch_warnings():
        # Tracing is deprecated for torch.export, but that writes PReLU as a choice between two
        # products, with which P-Net takes three times as long on canvases of many sizes.
        warnings.simplefilter("ignore")
        # Checking would trace a second time, which takes as long as all the rest.
        trace: Any = torch.jit.trace  # has no annotations
        traced = trace(module.eval(), example, check_trace=False, strict=False)
        model = openvino.convert_model(traced, example_input=example, input=kind)
    _rename(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.xml"
        openvino.save_model(model, str(path), compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def _rename(model: Any) -> None:
    """Renumbers names, which count conversions of the process and would change every archive."""
    model.set_friendly_name("graph")
    for index, node in enumerate(model.get_ordered_ops()):
        node.set_friendly_name(f"node_{index}")
        for output in node.outputs():
            output.get_tensor().set_names(set())
