"""The command `train-gpu`: trains on the canvases below a folder for a given time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from deepfake_serving.training.config.mixture import MixtureConfig, without
from deepfake_serving.training.config.training import read_config
from deepfake_serving.training.gpu.autoencoder import Bank
from deepfake_serving.training.gpu.batches import BatchSampler
from deepfake_serving.training.gpu.blending import Blender
from deepfake_serving.training.gpu.masks import MaskShapes
from deepfake_serving.training.gpu.store import FaceStore, read_meshes
from deepfake_serving.training.gpu.train import GpuTrainer, TimedSchedule
from model_handlers.manifest import read_manifest

SAVED = (50, 75, 100)


def run(
    root: Path,
    spec: Path,
    out: Path,
    minutes: float,
    bank_seconds: float,
    excluded: Sequence[str] = (),
    each_minutes: float = 1.0,
) -> None:
    """Trains for `minutes`, then once for `each_minutes` without each pack of `excluded`.

    Raises:
        ValueError: the settings name teachers or no mixture, or need an excluded pack.
    """
    config = read_config(spec)
    if config.distillation is not None:
        raise ValueError(f"{spec}: `distillation` needs `mix`; `train-gpu` learns from labels only")
    if config.mixture is None:
        raise ValueError(f"{spec}: no `mixture`")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    store = FaceStore.read(root, device)
    bank = Bank(device)
    shapes = MaskShapes.from_meshes(read_meshes(root), device)
    blender = Blender(store, shapes, bank)
    size = read_manifest(config.model).crop.size
    runs: list[tuple[Path, MixtureConfig, float, tuple[int, ...]]] = [
        (out, config.mixture, minutes, SAVED)
    ]
    for pack in excluded:
        mixture = without(config.mixture, pack) if pack != "none" else config.mixture
        runs.append((out.parent / f"without-{pack}", mixture, each_minutes, (100,)))
    for folder, mixture, length, saved in runs:
        sampler = BatchSampler(mixture, store, blender, size)
        trainer = GpuTrainer(config, sampler, bank, folder)
        if folder == out:
            trainer.warm_up_bank(bank_seconds)
        trainer.run(TimedSchedule(60 * length), saved)
