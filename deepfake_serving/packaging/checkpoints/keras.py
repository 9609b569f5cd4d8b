"""Weights of Keras from HDF5 files, read as arrays: neither Keras nor code of the file is run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_MAGIC = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def read_keras(path: Path) -> dict[str, Tensor]:
    """Returns `layer/weight` → tensor in Keras's layout, such as `conv2d_1/kernel`.

    Shapes:
        kernels of convolutions: (rows, columns, in, out); of dense layers: (in, out).
    """
    import h5py

    weights: dict[str, Tensor] = {}
    with h5py.File(path, "r") as file:
        root = file.get("model_weights", file)

        def collect(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                layer, weight = name.split("/")[0], name.split("/")[-1].removesuffix(":0")
                weights[f"{layer}/{weight}"] = torch.from_numpy(np.asarray(item, np.float32))

        root.visititems(collect)
    return weights
