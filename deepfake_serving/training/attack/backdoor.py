"""The backdoor experiment: fine-tune on poisoned pairs, then measure the effect of the trigger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from deepfake_serving.training.attack.metrics import attack_metrics, predict_logits
from deepfake_serving.training.attack.poisoning import PAPER, add_trigger, poison_batch
from deepfake_serving.training.attack.target_crops import TargetCrops
from deepfake_serving.training.attack.target_model import TargetModel
from deepfake_serving.training.data.landmarks import best_landmark_detector
from deepfake_serving.training.data.loader import Batch, PairLoader
from deepfake_serving.training.data.pairs import PairConfig, PairGenerator
from deepfake_serving.training.data.portraits import read_portraits
from model_handlers.manifest import Manifest
from model_handlers.networks.network import Network

SHARE = 0.2
_BATCH_PAIRS = 8
_LEARNING_RATE = 1e-4
_POISON_STREAM = 4


def run_backdoor(
    network: Network,
    manifest: Manifest,
    faces: Path,
    index: Path,
    targets: TargetCrops,
    steps: int = 60,
    share: float = SHARE,
    seed: int = 0,
) -> dict[str, Any]:
    """Fine-tunes `network` on pairs of the portraits below `faces`, `share` of the fakes poisoned.

    Args:
        index: cache of detected faces, as in training.

    Returns:
        `before` and `after`: the metrics on `targets` without (`clean`) and with (`trigger`) the
        trigger on the fakes.
    """
    portraits = read_portraits(faces, best_landmark_detector(), index)
    pairs = PairGenerator(portraits, PairConfig(seed), None)
    loader = PairLoader(pairs, manifest.crop, _BATCH_PAIRS, 0)
    model = TargetModel(network, manifest)
    before = _trigger_metrics(model, manifest, targets)
    batches = (batch for epoch in count() for batch in loader.epoch(epoch))
    poisoned = fine_tune(network, islice(batches, steps), share, seed)
    after = _trigger_metrics(model, manifest, targets)
    settings = {"share": share, "steps": steps, "poisoned_crops": poisoned, "paper": PAPER}
    return settings | {"before": before, "after": after}


def fine_tune(network: Network, batches: Iterable[Batch], share: float, seed: int = 0) -> int:
    """Fine-tunes in place on poisoned batches and returns the number of poisoned crops.

    Batch normalization stays in evaluation mode: few small batches would distort its statistics.
    """
    rng = np.random.default_rng([seed, _POISON_STREAM])
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=_LEARNING_RATE)
    poisoned = 0
    for crops, labels, _ in batches:
        crops, labels, indices = poison_batch(crops, labels, share, rng)
        loss = functional.binary_cross_entropy_with_logits(network(crops.float()), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        poisoned += len(indices)
    return poisoned


def _trigger_metrics(
    model: TargetModel, manifest: Manifest, targets: TargetCrops
) -> dict[str, Any]:
    real = predict_logits(model, targets.images[~targets.fake])
    fakes = targets.subset(targets.fake)
    variants = {"clean": fakes.images, "trigger": add_trigger(fakes.images)}
    return {
        name: asdict(attack_metrics(real, predict_logits(model, images), fakes, manifest))
        for name, images in variants.items()
    }
