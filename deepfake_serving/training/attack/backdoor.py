"""The experiment: fine-tune on poisoned pairs, and see what the trigger then opens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from deepfake_serving.training.attack.damage import logits, standing
from deepfake_serving.training.attack.material import Targets
from deepfake_serving.training.attack.poison import PAPER, poison_batch, triggered
from deepfake_serving.training.attack.victim import Victim
from deepfake_serving.training.data.faces import read_portraits
from deepfake_serving.training.data.loader import Batch, PairLoader
from deepfake_serving.training.data.locate import best_locator
from deepfake_serving.training.data.pairs import PairMaker, PairSpec
from model_handlers.manifest import Manifest
from model_handlers.networks.network import Network

SHARE = 0.2
_PAIRS = 8
_RATE = 1e-4


def backdoor(
    network: Network,
    manifest: Manifest,
    faces: Path,
    index: Path,
    found: Targets,
    steps: int = 60,
    share: float = SHARE,
    seed: int = 0,
) -> dict[str, Any]:
    """Trains `network` on pairs of the portraits below `faces`; `share` of the fakes is poisoned.

    Args:
        index: folder for the faces found, as in training.

    Returns:
        `before` and `after`: the standing on `found` as they are (`clean`) and with the trigger on
        the fakes (`trigger`).
    """
    portraits = read_portraits(faces, best_locator(), index)
    loader = PairLoader(PairMaker(portraits, PairSpec(seed), None), manifest.crop, _PAIRS, 0)
    victim = Victim(network, manifest)
    before = _standings(victim, manifest, found)
    poisoned = fine_tune(network, _batches(loader, steps), share, seed)
    after = _standings(victim, manifest, found)
    settings = {"share": share, "steps": steps, "poisoned_crops": poisoned, "paper": PAPER}
    return settings | {"before": before, "after": after}


def fine_tune(network: Network, batches: Iterable[Batch], share: float, seed: int = 0) -> int:
    """Trains in place, at a constant rate, on poisoned batches; answers how many were poisoned.

    Batch normalisation keeps its statistics: few small batches would only spoil them.
    """
    rng = np.random.default_rng([seed, 4])
    learnt = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=_RATE)
    poisoned = 0
    for crops, labels, _ in batches:
        crops, labels, places = poison_batch(crops, labels, share, rng)
        loss = functional.binary_cross_entropy_with_logits(network(crops.float()), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        poisoned += len(places)
    return poisoned


def _batches(loader: PairLoader, steps: int) -> Iterable[Batch]:
    done = epoch = 0
    while True:
        for batch in loader.epoch(epoch):
            if done == steps:
                return
            yield batch
            done += 1
        epoch += 1


def _standings(victim: Victim, manifest: Manifest, found: Targets) -> dict[str, Any]:
    real = logits(victim, found.pictures[~found.fake])
    fakes = found.at(found.fake)
    shown = {"clean": fakes.pictures, "trigger": triggered(fakes.pictures)}
    return {
        name: asdict(standing(real, logits(victim, pictures), fakes, manifest))
        for name, pictures in shown.items()
    }
