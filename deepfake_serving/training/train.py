"""One training run, put together from its parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from deepfake_serving import assets
from deepfake_serving.training.data.faces import Swap, read_portraits, split_by_identity
from deepfake_serving.training.data.loader import PairLoader
from deepfake_serving.training.data.locate import best_locator
from deepfake_serving.training.data.pairs import PairMaker, PairSpec
from deepfake_serving.training.initial import build
from deepfake_serving.training.processes import Processes
from deepfake_serving.training.spec import TrainingSpec, read_spec
from deepfake_serving.training.tracking import Kind, tracker
from deepfake_serving.training.trainer import Trainer
from deepfake_serving.training.validation import MediaValidation
from model_handlers.manifest import HeadSpec, Manifest, read_manifest


def run(
    faces: Path,
    spec_path: Path,
    out: Path,
    media: Path | None = None,
    swaps: Sequence[Swap] = (),
    workers: int = 2,
    track: Kind = "none",
    cache: Path | None = None,
) -> None:
    """Trains as `spec_path` says on the portraits below `faces`; see `Trainer` for `out`.

    Args:
        media: development media that choose the best epoch.
        swaps: real swaps to train on besides; their real frames join the portraits.
    """
    spec = read_spec(spec_path)
    processes = Processes.from_environment()
    torch.use_deterministic_algorithms(True, warn_only=True)
    manifest = trained_manifest(spec)
    index = (cache or out) / "index"
    portraits = read_portraits(faces, best_locator(), index, spec.data.identity)
    learnt, _ = split_by_identity(portraits, spec.data.held_out, spec.seed)
    data = spec.data
    pairs = PairSpec(spec.seed, data.swap_share, data.self_share, data.margins, data.reuse)
    # A stored pair may hold a person whom another fold leaves out: none is kept beside swaps.
    kept = None if swaps else cache and cache / "pairs"
    learnt += [swap.portrait for swap in swaps]
    loader = PairLoader(
        PairMaker(learnt, pairs, kept, swaps),
        manifest.crop,
        spec.batch_size // 2 // processes.world,
        workers,
        processes.rank,
        processes.world,
    )
    validate = MediaValidation(media, manifest, index) if media and processes.first else None
    watching = tracker(track if processes.first else "none", out, spec.model_dump())
    network = build(manifest, spec.initial, spec.seed)
    try:
        Trainer(spec, manifest, network, loader, out, processes, watching, validate).run()
    finally:
        watching.close()
        processes.leave()


def trained_manifest(spec: TrainingSpec) -> Manifest:
    """The manifest that `spec` names, with the spec's dropout."""
    manifest = read_manifest(assets.DATA / spec.model)
    if spec.dropout is None:
        return manifest
    head = HeadSpec(channels=manifest.head.channels, dropout=spec.dropout)
    return manifest.model_copy(update={"head": head})
