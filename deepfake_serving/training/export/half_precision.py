"""Weights stored in half precision: half the download. Inference runs in single precision.

Only large tensors are converted. The small ones hold a sixth of the values but cause most of the
error: a rounded SRM kernel no longer sums to zero and passes a fifth of a grey level on white, and
errors of the thin first layers propagate through all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from deepfake_serving.training.config.manifest import with_synthesis
from deepfake_serving.training.export.comparison import ExportError
from model_handlers.manifest import Manifest
from model_handlers.networks.network import Network, build_network

MAX_FP32_VALUES = 2**16
"""Tensors with more values than this are stored in fp16."""


def to_half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Converts the large floating-point tensors of a state dict to fp16.

    Raises:
        ExportError: a value is not finite, or too large for fp16.
    """
    result = {}
    for name, tensor in state.items():
        large = tensor.is_floating_point() and tensor.numel() > MAX_FP32_VALUES
        converted = (tensor.half() if large else tensor).contiguous().cpu()
        if not torch.isfinite(converted).all():
            reason = "is too large for fp16" if torch.isfinite(tensor).all() else "is not finite"
            raise ExportError(f"{name}: a value {reason}")
        result[name] = converted
    return result


def serialize(state: Mapping[str, Tensor]) -> bytes:
    """Serializes to safetensors, with the same bytes for the same tensors."""
    content: bytes = save({name: state[name] for name in sorted(state)})
    return content


def read_network(path: Path, manifest: Manifest) -> Network:
    """Reads a trained network in evaluation mode, with a synthesis head if it has one.

    Raises:
        ExportError: the file is missing, corrupt, or of another network than the manifest's.
    """
    try:
        state = load_file(path)
        return load_weights(with_synthesis(manifest, "synthesis.weight" in state), state)
    except (OSError, SafetensorError) as error:
        raise ExportError(f"{path}: {error}") from error


def load_weights(manifest: Manifest, state: Mapping[str, Tensor]) -> Network:
    """Builds the manifest's network in fp32 and loads weights of any precision.

    Raises:
        ExportError: the weights are of another network.
    """
    network = build_network(manifest)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:  # missing, unexpected or misshapen tensors
        raise ExportError(f"{manifest.name}: weights of another network: {error}") from error
    return network
