"""A training run on a mixture of packed sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from deepfake_serving.training.config.manifest import training_manifest
from deepfake_serving.training.config.mixture import without
from deepfake_serving.training.config.training import TrainingConfig, read_config
from deepfake_serving.training.engine.distributed import DistributedContext
from deepfake_serving.training.engine.initialization import initialize_network
from deepfake_serving.training.engine.tracking import Kind, create_tracker
from deepfake_serving.training.engine.trainer import Trainer
from deepfake_serving.training.sources.loader import MixtureLoader
from deepfake_serving.training.sources.mixture import Mixture, read_packs


def run(
    packs: Path,
    spec_path: Path,
    out: Path,
    workers: int = 1,
    track: Kind = "none",
    excluded: Sequence[str] = (),
) -> None:
    """Trains with the settings `spec_path` on the packs below `packs`; see `Trainer` for `out`.

    Args:
        excluded: packs that are not used, even if the settings name them.

    Raises:
        ValueError: the settings name no mixture, or one that needs an excluded pack.
    """
    spec = _without_packs(read_config(spec_path), excluded)
    if spec.mixture is None:
        raise ValueError(f"{spec_path}: no `mixture`")
    distributed = DistributedContext.from_environment()
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling uninitialized memory costs time at every step and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    manifest = training_manifest(spec)
    opened = read_packs(spec.mixture, packs)
    mixture = Mixture(spec.mixture, opened, spec.seed)
    pairs = spec.batch_size // 2 // distributed.world_size
    loader = MixtureLoader(mixture, pairs, workers, distributed.rank, distributed.world_size)
    tracker = create_tracker(track if distributed.is_main else "none", out, spec.model_dump())
    network = initialize_network(manifest, spec.initial, spec.seed)
    try:
        Trainer(spec, manifest, network, loader, out, distributed, tracker).run()
    finally:
        tracker.close()
        distributed.close()


def _without_packs(spec: TrainingConfig, excluded: Sequence[str]) -> TrainingConfig:
    for pack in excluded:
        if spec.mixture is not None:
            spec = spec.model_copy(update={"mixture": without(spec.mixture, pack)})
    return spec
