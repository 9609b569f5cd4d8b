"""A training run on portraits, assembled from its parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from deepfake_serving.training.config.manifest import training_manifest
from deepfake_serving.training.config.training import TrainingConfig, read_config
from deepfake_serving.training.data.landmarks import best_landmark_detector
from deepfake_serving.training.data.loader import PairLoader
from deepfake_serving.training.data.pairs import PairConfig, PairGenerator
from deepfake_serving.training.data.portraits import Swap, read_portraits, split_by_identity
from deepfake_serving.training.engine.distributed import DistributedContext
from deepfake_serving.training.engine.initialization import initialize_network
from deepfake_serving.training.engine.tracking import Kind, create_tracker
from deepfake_serving.training.engine.trainer import Trainer
from deepfake_serving.training.engine.validation import MediaValidation


def train(
    faces: Path,
    config_path: Path,
    out: Path,
    media: Path | None = None,
    swaps: Sequence[Swap] = (),
    workers: int = 2,
    track: Kind = "none",
    cache: Path | None = None,
) -> None:
    """Trains a network on the portraits below `faces`; see `Trainer` for `out`.

    Args:
        media: development media for validation after each epoch.
        swaps: real swaps to train on as well; their real frames join the portraits.
    """
    config = read_config(config_path)
    distributed = DistributedContext.from_environment()
    torch.use_deterministic_algorithms(True, warn_only=True)
    manifest = training_manifest(config)
    index = (cache or out) / "index"
    pairs = _pair_generator(faces, config, swaps, index, cache)
    loader = PairLoader(
        pairs,
        manifest.crop,
        config.batch_size // 2 // distributed.world_size,
        workers,
        distributed.rank,
        distributed.world_size,
    )
    validate = MediaValidation(media, manifest, index) if media and distributed.is_main else None
    tracker = create_tracker(track if distributed.is_main else "none", out, config.model_dump())
    network = initialize_network(manifest, config.initial, config.seed)
    try:
        Trainer(config, manifest, network, loader, out, distributed, tracker, validate).run()
    finally:
        tracker.close()
        distributed.close()


def _pair_generator(
    faces: Path, config: TrainingConfig, swaps: Sequence[Swap], index: Path, cache: Path | None
) -> PairGenerator:
    data = config.data
    portraits = read_portraits(faces, best_landmark_detector(), index, data.identity)
    training, _ = split_by_identity(portraits, data.held_out, config.seed)
    training += [swap.portrait for swap in swaps]
    settings = PairConfig(config.seed, data.swap_share, data.self_share, data.margins, data.reuse)
    # A cached pair may show a person that another fold leaves out: no cache with swaps.
    pair_cache = None if swaps else cache and cache / "pairs"
    return PairGenerator(training, settings, pair_cache, swaps)
