"""Weights in half precision: half the bytes to fetch; they are computed with in single precision.

Only large tensors are halved. The others hold a sixth of the numbers and would do most of the harm:
an SRM kernel whose twelfths are rounded no longer sums to nought, and lets a fifth of a grey level
through on white; and the thin layers in front are followed by all the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from deepfake_serving.training.export.check import ExportError
from model_handlers.manifest import Manifest
from model_handlers.networks.network import Network, build_network

LARGE = 2**16
"""Tensors of more values than this are halved."""


def halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state with its large floating-point tensors in fp16.

    Raises:
        ExportError: a value is no number, or too large for fp16.
    """
    result = {}
    for name, tensor in state.items():
        large = tensor.is_floating_point() and tensor.numel() > LARGE
        kept = (tensor.half() if large else tensor).contiguous().cpu()
        if not torch.isfinite(kept).all():
            reason = "is too large for fp16" if torch.isfinite(tensor).all() else "is no number"
            raise ExportError(f"{name}: a value {reason}")
        result[name] = kept
    return result


def serialise(state: Mapping[str, Tensor]) -> bytes:
    """A safetensors file; the same tensors give the same bytes."""
    content: bytes = save({name: state[name] for name in sorted(state)})
    return content


def read_network(path: Path, manifest: Manifest) -> Network:
    """The trained network in evaluation mode.

    Raises:
        ExportError: the file is missing, broken, or of another network than the manifest's.
    """
    try:
        return filled(manifest, load_file(path))
    except (OSError, SafetensorError) as error:
        raise ExportError(f"{path}: {error}") from error


def filled(manifest: Manifest, state: Mapping[str, Tensor]) -> Network:
    """The manifest's network with these weights, whatever their precision, as fp32.

    Raises:
        ExportError: they are of another network.
    """
    network = build_network(manifest)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:  # missing, unexpected or misshapen tensors
        raise ExportError(f"{manifest.name}: not its weights: {error}") from error
    return network
