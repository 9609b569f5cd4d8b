"""Weights of TensorFlow.js graph models, read as arrays: the graph is not run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deepfake_serving.packaging.checkpoints.state import CheckpointError

Weights = dict[str, npt.NDArray[np.float32]]
_TYPES = {"float32": "<f4", "int32": "<i4"}


def read_tfjs(path: Path) -> Weights:
    """Returns the weights of a graph model by name; the files it names lie beside it.

    Raises:
        CheckpointError: it is no such model, or its files are missing, too short or too long.
    """
    try:
        groups = json.loads(path.read_bytes())["weightsManifest"]
        weights: Weights = {}
        for group in groups:
            files = [path.parent / Path(name).name for name in group["paths"]]
            weights |= _read_group(group["weights"], b"".join(f.read_bytes() for f in files))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path.name}: not a graph model of TensorFlow.js: {error}") from None
    return weights


def _read_group(entries: list[dict[str, object]], data: bytes) -> Weights:
    weights: Weights = {}
    at = 0
    for entry in entries:
        if "quantization" in entry:
            raise ValueError(f"{entry['name']} is quantised")
        shape = [int(side) for side in entry["shape"]]  # type: ignore[attr-defined]
        values = np.frombuffer(data, _TYPES[str(entry["dtype"])], int(np.prod(shape)), at)
        weights[str(entry["name"])] = values.reshape(shape).astype(np.float32)
        at += values.nbytes
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes are left over")
    return weights
