"""One training run, put together from its parts."""

from __future__ import annotations

from pathlib import Path

import torch

from model_handlers.manifest import HeadSpec, Manifest, read_manifest
from training.data.faces import read_portraits, split_by_identity
from training.data.loader import PairLoader
from training.data.locate import best_locator
from training.data.pairs import PairMaker, PairSpec
from training.initial import build
from training.processes import Processes
from training.spec import TrainingSpec, read_spec
from training.tracking import Kind, tracker
from training.trainer import Trainer
from training.validation import MediaValidation

_ROOT = Path(__file__).resolve().parent.parent


def run(
    faces: Path,
    spec_path: Path,
    out: Path,
    media: Path | None = None,
    workers: int = 2,
    track: Kind = "none",
    cache: Path | None = None,
) -> None:
    """Trains as `spec_path` says on the portraits below `faces`; see `Trainer` for `out`."""
    spec = read_spec(spec_path)
    processes = Processes.from_environment()
    torch.use_deterministic_algorithms(True, warn_only=True)
    manifest = trained_manifest(spec)
    index = (cache or out) / "index"
    portraits = read_portraits(faces, best_locator(), index, spec.data.identity)
    learnt, _ = split_by_identity(portraits, spec.data.held_out, spec.seed)
    pairs = PairSpec(spec.seed, spec.data.self_share, spec.data.margins, spec.data.reuse)
    loader = PairLoader(
        PairMaker(learnt, pairs, cache and cache / "pairs"),
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
    manifest = read_manifest(_ROOT / spec.model)
    if spec.dropout is None:
        return manifest
    head = HeadSpec(channels=manifest.head.channels, dropout=spec.dropout)
    return manifest.model_copy(update={"head": head})
