"""State dicts: read from checkpoints without running code, unwrapped and matched strictly."""

from __future__ import annotations

import pickle
import re
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from deepfake_serving.packaging.checkpoints.keras import is_hdf5, read_keras

State = dict[str, Tensor]

_WRAPPERS = ("state_dict_ema", "state_dict", "model_state_dict", "model", "net")
"""The first that is there. timm evaluates the moving average, so its metrics are that one's."""
_DATA_ONLY: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [Namespace]
"""Classes that only hold values: timm's train.py saves its arguments beside the weights."""
_COUNTER = "num_batches_tracked"
"""Counts training steps; has no effect, and old checkpoints lack it."""
_MAX_LISTED = 40


class CheckpointError(ValueError):
    """A checkpoint that can't be imported; the message says what differs."""


def read_state(path: Path) -> State:
    """Reads the tensors of a checkpoint: PyTorch, safetensors or Keras (HDF5).

    PyTorch's pickles are read with `weights_only`, which allows tensors and plain values. Of a
    dictionary around the state dict only the state dict is returned, and the prefix `module.` of
    parallel training is removed.

    Raises:
        CheckpointError: it is none of these, holds no state dict, or needs code to be loaded.
    """
    state = _unwrapped(_read(path))
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path.name}: no state dict")
    return {re.sub(r"^module\.", "", name): value for name, value in state.items()}


def matched(state: Mapping[str, Tensor], network: nn.Module) -> State:
    """Returns the state dict for `network`, in its types.

    Raises:
        CheckpointError: parameters are missing, unexpected or of another shape; it lists them.
    """
    expected = network.state_dict()
    counters = {name: value for name, value in expected.items() if name.endswith(_COUNTER)}
    found = {**counters, **state}
    faults = {
        "missing": [name for name in expected if name not in found],
        "unexpected": [name for name in found if name not in expected],
        "of another shape": [
            f"{name} {tuple(found[name].shape)} instead of {tuple(value.shape)}"
            for name, value in expected.items()
            if name in found and found[name].shape != value.shape
        ],
    }
    if any(faults.values()):
        lines = [f"{title}: {_listed(names)}" for title, names in faults.items() if names]
        raise CheckpointError("the parameters differ from the network's; " + "; ".join(lines))
    return {  # copies: several parameters may come from one tensor, which safetensors refuses
        name: found[name].to(value.dtype).contiguous().clone() for name, value in expected.items()
    }


def _read(path: Path) -> Any:
    if is_hdf5(path):
        return read_keras(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(_DATA_ONLY):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name}: not only tensors and plain values: {_refused(error)}"
        ) from None
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path.name}: not a checkpoint: {error}") from None


def _refused(error: pickle.UnpicklingError) -> str:
    """Names the object that needs code; PyTorch's own message advises to run it."""
    found = re.search(r"GLOBAL (\S+)", str(error))
    what = f"a {found[1]}, whose code is not run" if found else "objects that need code"
    return f"{what}; save the tensors alone: torch.save(model.state_dict(), path)"


def _unwrapped(content: Any) -> Any:
    if not isinstance(content, Mapping):
        raise CheckpointError(f"the checkpoint holds a {type(content).__name__}, not a state dict")
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            return content[wrapper]
    return content


def _listed(names: list[str]) -> str:
    rest = len(names) - _MAX_LISTED
    return ", ".join(names[:_MAX_LISTED]) + (f" and {rest} more" if rest > 0 else "")
