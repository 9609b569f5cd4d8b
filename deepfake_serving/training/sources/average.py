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
from deepfake_serving.training.sources.loader import MixtureLoader
from deepfake_serving.training.sources.mixture import Mixture, read_packs
from model_handlers.networks.network import Network, build_network


def average(parts: Mapping[Path, float], packs: Path | None, spec: Path, out: Path) -> None:
    """Writes the average as the network of a run folder `out`, with a record of its parts.

    Args:
        parts: weights files and their shares, which are scaled to a sum of 1.
        packs: folder of packs; the statistics of batch normalization are computed again on an epoch
            of them. Without packs they are averaged too.
        spec: settings with the model, and with a `mixture` if there are packs.

    Raises:
        ValueError: the settings name no mixture, or two parts have the same name.
    """
    if len({_name(path) for path in parts}) < len(parts):
        raise ValueError("two parts have the same name, by which the record could not tell them")
    config = read_config(spec)
    if packs is not None and config.mixture is None:
        raise ValueError(f"{spec}: no `mixture`")
    out.mkdir(parents=True, exist_ok=True)
    network = build_network(training_manifest(config), config.seed)
    network.load_state_dict(_mean(parts))
    measured = 0 if packs is None else _measure(network, packs, config)
    state = {name: t.contiguous().cpu() for name, t in network.state_dict().items()}
    save_file(state, out / NETWORK)
    total = sum(parts.values())
    record = {_name(path): round(share / total, 4) for path, share in parts.items()}
    (out / AVERAGE).write_text(json.dumps({"parts": record, "crops": measured}) + "\n")


def _name(path: Path) -> str:
    """Returns the name of a part; the network of a run has that of the run's folder."""
    return path.resolve().parent.name + path.suffix if path.name == NETWORK else path.name


def _measure(network: Network, packs: Path, config: TrainingConfig) -> int:
    """Computes the statistics of batch normalization again; returns the number of crops."""
    assert config.mixture is not None
    mixture = Mixture(config.mixture, read_packs(config.mixture, packs), config.seed)
    loader = MixtureLoader(mixture, config.batch_size // 2, workers=0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batches = (crops.to(device, torch.float32) for crops, *_ in loader.epoch(0))
    update_bn(batches, network.to(device))
    return len(loader) * config.batch_size


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
