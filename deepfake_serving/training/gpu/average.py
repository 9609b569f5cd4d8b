"""Averages the weights of several training runs (model soups, Wortsman et al. 2022).

Networks that were fine-tuned from the same weights can be averaged. The means and variances of
batch normalization can't, so they are computed again on training crops (arXiv:2203.05482).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.optim.swa_utils import update_bn

from deepfake_serving.training.config.manifest import training_manifest
from deepfake_serving.training.config.training import TrainingConfig, read_config
from deepfake_serving.training.engine.initialization import load_without_synthesis
from deepfake_serving.training.engine.run_folder import AVERAGE, NETWORK
from deepfake_serving.training.gpu.autoencoder import Bank
from deepfake_serving.training.gpu.batches import BatchSampler
from deepfake_serving.training.gpu.blending import Blender
from deepfake_serving.training.gpu.masks import MaskShapes
from deepfake_serving.training.gpu.store import FaceStore, read_meshes
from model_handlers.networks.network import Network, build_network

_BATCH = 64


def average(
    parts: Mapping[Path, float], canvases: Path | None, spec: Path, out: Path, crops: int = 1024
) -> None:
    """Writes the average as the network of a run folder `out`, with a record of its parts.

    Args:
        parts: weights files and their shares, which are scaled to a sum of 1.
        canvases, spec: canvases and settings as for `train-gpu`; half of the crops are degraded.
            Without canvases the statistics of batch normalization are averaged too, which is enough
            for networks that differ by short runs.
        crops: number of training crops for the statistics of batch normalization.

    Raises:
        ValueError: the settings name no mixture, or two parts have the same name.
    """
    if len({_name(path) for path in parts}) < len(parts):
        raise ValueError("two parts have the same name, by which the record could not tell them")
    config = read_config(spec)
    out.mkdir(parents=True, exist_ok=True)
    network = build_network(training_manifest(config), config.seed)
    network.load_state_dict(_mean(parts))
    measured = 0 if canvases is None else _measure(network, canvases, spec, config, crops)
    state = {name: t.contiguous().cpu() for name, t in network.state_dict().items()}
    save_file(state, out / NETWORK)
    total = sum(parts.values())
    record = {_name(path): round(share / total, 4) for path, share in parts.items()}
    (out / AVERAGE).write_text(json.dumps({"parts": record, "crops": measured}) + "\n")


def _name(path: Path) -> str:
    """Returns the name of a part; the network of a run has that of the run's folder."""
    return path.resolve().parent.name + path.suffix if path.name == NETWORK else path.name


def _measure(
    network: Network, canvases: Path, spec: Path, config: TrainingConfig, crops: int
) -> int:
    """Computes the statistics of batch normalization again; returns the number of crops."""
    if config.mixture is None:
        raise ValueError(f"{spec}: no `mixture`")
    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    store = FaceStore.read(canvases, device)
    blender = Blender(store, MaskShapes.from_meshes(read_meshes(canvases), device), Bank(device))
    blender.rendered_share = blender.whole_share = 0.0  # the autoencoders are untrained
    sampler = BatchSampler(config.mixture, store, blender, training_manifest(config).crop.size)
    batches = [
        sampler.draw(_BATCH // 2, degraded=bool(number % 2)).crops.flatten(0, 1)
        for number in range(-(-crops // _BATCH))
    ]
    order = torch.randperm(len(batches) * _BATCH)
    shuffled = torch.cat(batches)[order].split(2 * _BATCH)  # type: ignore[no-untyped-call]
    network.to(device)
    update_bn(shuffled, network)
    return len(order)


def _mean(parts: Mapping[Path, float]) -> dict[str, Tensor]:
    """Averages floating-point tensors but a synthesis head's; takes others from the first."""
    total = sum(parts.values())
    states = [(load_without_synthesis(path), share / total) for path, share in parts.items()]
    first = states[0][0]
    return {
        name: torch.stack([state[name].float() * share for state, share in states]).sum(0)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in first.items()
    }
