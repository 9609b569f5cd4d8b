"""MesoNet: the authors' Keras weights, and FakeAVCeleb's weights of a PyTorch port."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from deepfake_serving.packaging.checkpoints.kinds.kind import Kind, Source
from deepfake_serving.packaging.checkpoints.state import CheckpointError, State

_KERAS_EPSILON, _EPSILON = 1e-3, 1e-5
_MESO4 = ("conv1", "conv2", "conv3", "conv4")
_INCEPTION = (
    "branch1",
    "branch2.0",
    "branch2.1",
    "branch3.0",
    "branch3.1",
    "branch4.0",
    "branch4.1",
)
_MESO_INCEPTION4 = (
    *(f"inception{module}.{branch}" for module in (1, 2) for branch in _INCEPTION),
    *("conv3", "conv4"),
)
"""The convolutions in the order in which Keras numbers them."""
_NORMS = ("norm1", "norm2", "norm3", "norm4")
_BATCH_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def _describe_keras(state: State, architecture: str | None) -> dict[str, Any]:
    name = "meso4" if len(_layers(state, "conv2d")) == len(_MESO4) else "meso_inception4"
    return {
        "network": {"name": name},
        "input": {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]},
        "crop": {"size": 256, "margin": 1.6},
        "fake_class": 0,
    }


def rename_keras(state: State) -> State:
    """Converts Keras's weights of Meso-4 or MesoInception-4.

    Keras adds 0.001 to variances where PyTorch adds 0.00001; the difference is added here.
    """
    convolutions, dense = _layers(state, "conv2d"), _layers(state, "dense")
    norms = _layers(state, "batch_normalization")
    names = {len(each): each for each in (_MESO4, _MESO_INCEPTION4)}.get(len(convolutions))
    if names is None or len(norms) != len(_NORMS) or len(dense) != 2:
        raise CheckpointError("layers of neither Meso-4 nor MesoInception-4")
    source, renamed = Source(state), State()
    for name, layer in zip(names, convolutions, strict=True):
        renamed[f"{name}.weight"] = source.take(f"{layer}/kernel").permute(3, 2, 0, 1)
        renamed[f"{name}.bias"] = source.take(f"{layer}/bias")
    for name, layer in zip(_NORMS, norms, strict=True):
        renamed |= {
            f"{name}.{ours}": source.take(f"{layer}/{k}") for k, ours in _BATCH_NORM.items()
        }
        renamed[f"{name}.running_var"] = renamed[f"{name}.running_var"] + _KERAS_EPSILON - _EPSILON
    for name, layer in zip(("head.fc1", "head.fc2"), dense, strict=True):
        renamed[f"{name}.weight"] = source.take(f"{layer}/kernel").T
        renamed[f"{name}.bias"] = source.take(f"{layer}/bias")
    source.require_all_taken()
    renamed["head.fc1.weight"] = _channels_first(renamed["head.fc1.weight"], channels=16)
    return renamed


def _layers(state: State, kind: str) -> list[str]:
    """Returns the names of one kind of layer in order of their numbers."""
    found = {name.split("/")[0] for name in state if re.match(rf"{kind}(_\d+)?/", name)}
    return sorted(found, key=lambda name: int((re.findall(r"_(\d+)$", name) or ["0"])[0]))


def _channels_first(weight: Tensor, channels: int) -> Tensor:
    """Reorders columns: those of a map (rows, columns, channels) to (channels, rows, columns)."""
    side = round((weight.shape[1] / channels) ** 0.5)
    return weight.reshape(-1, side, side, channels).permute(0, 3, 1, 2).flatten(1)


def _describe_port(state: State, architecture: str | None) -> dict[str, Any]:
    meso4 = "conv3.weight" in state
    network = (
        {"name": "meso4"} if meso4 else {"name": "meso_inception4", "inner_activations": False}
    )
    return {
        "network": {**network, "classes": 2},
        "input": {"mean": [0.4489, 0.3352, 0.3106], "std": [0.2380, 0.1965, 0.1962]},
        "crop": {"size": 224, "margin": 1.0},
        "fake_class": 0,
    }


def rename_port(state: State) -> State:
    """Converts weights of Honggu Liu's port: no biases, and norms that several layers share."""
    source = Source(state)
    renamed = _meso4_port(source) if "conv3.weight" in state else _inception_port(source)
    renamed |= source.module("fc1", "head.fc1") | source.module("fc2", "head.fc2")
    source.require_all_taken()
    return renamed


def _meso4_port(source: Source) -> State:
    renamed: State = {}
    for index, norm in enumerate(("bn1", "bn1", "bn2", "bn2"), start=1):
        renamed |= _without_bias(source, f"conv{index}", f"conv{index}")
        renamed |= source.module(norm, f"norm{index}")
    return renamed


def _inception_port(source: Source) -> State:
    renamed: State = {}
    for module in (1, 2):
        for branch in _INCEPTION:
            number, _, position = branch.removeprefix("branch").partition(".")
            old = f"Incption{module}_conv{number}" + (f"_{int(position) + 1}" if position else "")
            renamed |= _without_bias(source, old, f"inception{module}.{branch}")
        renamed |= source.module(f"Incption{module}_bn", f"norm{module}")
    for index in (1, 2):
        renamed |= _without_bias(source, f"conv{index}", f"conv{index + 2}")
        renamed |= source.module("bn1", f"norm{index + 2}")
    return renamed


def _without_bias(source: Source, old: str, new: str) -> State:
    """Returns a convolution's weight, and zeros for the bias that it lacks."""
    weight = source.take(f"{old}.weight")
    return {f"{new}.weight": weight, f"{new}.bias": torch.zeros(weight.shape[0])}


MESONET = Kind(
    summary="Meso-4 or MesoInception-4, the authors' Keras weights (.h5)",
    repository="https://github.com/DariusAf/MesoNet",
    licence="Apache-2.0",
    describe=_describe_keras,
    rename=rename_keras,
    digests={
        "036ed30d04ffd9c7506f825b97c86aa64915f5818931da96817b169aad790af5": "Meso4_DF.h5",
        "bcfda015d217b9f8d6557693edbdf9f4e79cfd22672541968dd0e2954462b5d7": "Meso4_F2F.h5",
        "234586d40058e76ef8b6f27ca4b63c06e31c2a5a69c0d8ba6f30b1468ab7bafa": "MesoInception_DF.h5",
        "d4533ac8a3197dc35c47405d23d99e888c1d0135e267e03540c7451feaccff3f": "MesoInception_F2F.h5",
    },
)
FAKEAVCELEB = Kind(
    summary="Meso-4 or MesoInception-4, trained on FakeAVCeleb (.pt)",
    repository="https://github.com/DASH-Lab/FakeAVCeleb",
    licence=None,
    describe=_describe_port,
    rename=rename_port,
    digests={
        "79bbda5613704535c831aa6ab98a300da49c44a8d56838d6d277b8b2d90ba68f": (
            "Meso4_realA_fakeC.pt"
        ),
        "e5a6944b19f856f5f6fe6fc20a65a553e0dda3beedc8250102abcf654da6b3c1": (
            "MesoInception4_realA_fakeC.pt"
        ),
    },
)
