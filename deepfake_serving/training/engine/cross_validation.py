"""Training on real swaps with cross-validation over identities, and averaging of the folds.

Each fold's network is trained without the people of that fold and predicts only for them. The
shipped weights are the average over the folds: networks fine-tuned from the same start are close
enough, and their average is more accurate than a single one (model soups, Wortsman et al. 2022,
arXiv:2203.05482).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from deepfake_serving.training.config.manifest import training_manifest
from deepfake_serving.training.config.training import read_config
from deepfake_serving.training.data.landmarks import build_face_detector
from deepfake_serving.training.data.media import MediaFile, read_media
from deepfake_serving.training.data.swaps import read_swaps
from deepfake_serving.training.engine.run_folder import FOLDS, NETWORK, fold_folder
from deepfake_serving.training.engine.tracking import Kind
from deepfake_serving.training.engine.train import train


def assign_folds(media: Sequence[MediaFile], count: int, seed: int) -> dict[str, int]:
    """Assigns each identity to a fold; fold sizes differ by one identity at most.

    Raises:
        ValueError: there are fewer identities than folds.
    """
    identities = sorted({file.identity for file in media})
    if len(identities) < count:
        raise ValueError(f"{count} folds need as many identities; there are {len(identities)}")
    shuffled = sorted(identities, key=lambda i: hashlib.sha256(f"{seed}:{i}".encode()).digest())
    return {identity: position % count for position, identity in enumerate(shuffled)}


def train_with_swaps(
    faces: Path,
    swap_media: Path,
    config_path: Path,
    out: Path,
    folds: int,
    workers: int,
    track: Kind,
    cache: Path,
) -> None:
    """Trains `out/fold-K` on the swaps below `swap_media` without fold K; averages them in `out`.

    A finished run is not repeated; an interrupted one is resumed.

    Args:
        folds: 0 trains one network in `out` on all swaps. No network can evaluate them fairly then.

    Raises:
        ValueError: `out` has networks of other folds.
    """
    config = read_config(config_path)
    media = read_media(swap_media)
    fold_of = assign_folds(media, folds, config.seed) if folds else {}
    _require_same_folds(out / FOLDS, fold_of)
    face_detector = build_face_detector(training_manifest(config).faces)
    swaps = read_swaps(media, face_detector, config.data.swap_frames, cache / "swaps")
    if not folds:
        train(faces, config_path, out, None, swaps, workers, track, cache)
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / FOLDS).write_text(json.dumps(fold_of, indent=2, sort_keys=True) + "\n")
    for fold in range(folds):
        included = [s for s in swaps if fold_of[s.portrait.identity] != fold]
        run = fold_folder(out, fold)
        train(faces, config_path, run, None, included, workers, track, cache)
    states = [load_file(fold_folder(out, fold) / NETWORK) for fold in range(folds)]
    save_file(average_weights(states), out / NETWORK)


def _require_same_folds(file: Path, fold_of: Mapping[str, int]) -> None:
    """Finished networks are kept: with other folds, one would evaluate people it was trained on.

    Raises:
        ValueError: the run began with other people or another number of folds.
    """
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != fold_of:
        raise ValueError(
            f"{file} divides the people into other folds, and its networks were trained on those; "
            "use another folder"
        )


def average_weights(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Averages each tensor over the state dicts, in its own dtype."""
    return {
        name: torch.stack([state[name].float() for state in states]).mean(0).to(tensor.dtype)
        for name, tensor in states[0].items()
    }
