"""The fit of the synthesis head to a trained network's features of a mixture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from deepfake_serving.training.config.manifest import training_manifest
from deepfake_serving.training.config.training import SynthesisConfig, read_config
from deepfake_serving.training.engine.initialization import load_without_synthesis
from deepfake_serving.training.engine.run_folder import SYNTHESIS
from deepfake_serving.training.sources.mixture import Mixture, read_packs
from model_handlers.networks.encoder import stage_maps
from model_handlers.networks.head import mean_features
from model_handlers.networks.network import Network, build_network
from model_handlers.pipeline.decode import Pixels

_BATCH = 64

Crop = tuple[Pixels, int]
"""A crop (s, s, 3) and its label: 1 for synthesised."""


def fit_synthesis(packs: Path, spec_path: Path, weights: Path, out: Path) -> None:
    """Writes the weights of a trained network with a fitted synthesis head, and a record of it.

    Real crops of all sources are its negatives; fakes of other sources are left out.

    Raises:
        ValueError: the settings have no `synthesis` or no `mixture`, not its source, or crops of
            several sizes.
    """
    spec = read_config(spec_path)
    if spec.synthesis is None or spec.mixture is None:
        raise ValueError(f"{spec_path}: no `synthesis` or no `mixture`")
    if spec.synthesis.source not in spec.mixture.sources:
        raise ValueError(f"{spec_path}: synthesis.source is not a source of the mixture")
    if len({*spec.mixture.sizes}) > 1:
        raise ValueError(
            f"{spec_path}: a fit needs crops of one size: mixture.sizes, twice the same"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    network = build_network(training_manifest(spec))
    network.load_state_dict(load_without_synthesis(weights))
    mixture = Mixture(spec.mixture, read_packs(spec.mixture, packs), spec.seed)
    features, labels = crop_features(network, _crops(mixture, spec.synthesis))
    weight, bias = fit_head(features, labels, spec.synthesis)
    state = network.state_dict() | {"synthesis.weight": weight, "synthesis.bias": bias}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, out)
    counts = {"crops": len(labels), "synthesised": int(labels.sum())}
    record = spec.synthesis.model_dump(mode="json") | counts
    out.with_name(SYNTHESIS).write_text(json.dumps(record) + "\n", encoding="utf-8")


def fit_head(
    features: NDArray[np.float32], labels: NDArray[np.int64], config: SynthesisConfig
) -> tuple[Tensor, Tensor]:
    """Fits the head's weight (1, features) and bias (1,); the standardisation is folded in."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=config.c, max_iter=1000))
    model.fit(features, labels)
    scaler, regression = model[0], model[1]
    weight = regression.coef_[0] / scaler.scale_
    bias = regression.intercept_[0] - weight @ scaler.mean_ + config.prior
    return (
        torch.tensor(weight[None], dtype=torch.float32),
        torch.tensor([bias], dtype=torch.float32),
    )


@torch.inference_mode()
def crop_features(
    network: Network, crops: Iterator[Crop]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Computes the stages' mean features (n, features) of crops; returns their labels (n,) too.

    Crops of a batch have one size.
    """
    network.eval()
    features, labels = [], []
    for batch in _batches(crops):
        pixels = torch.from_numpy(np.stack([crop for crop, _ in batch])).permute(0, 3, 1, 2)
        _, stages = stage_maps(network.encoder, network.planes(pixels.float()))
        features.append(mean_features(stages).numpy())
        labels += [label for _, label in batch]
    return np.concatenate(features), np.array(labels)


def _crops(mixture: Mixture, config: SynthesisConfig) -> Iterator[Crop]:
    for index in range(config.pairs):
        pair = mixture.pair(0, index)
        yield pair.real, 0
        if pair.source == config.source:
            yield pair.fake, 1


def _batches(crops: Iterator[Crop]) -> Iterator[list[Crop]]:
    batch: list[Crop] = []
    for crop in crops:
        batch.append(crop)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
