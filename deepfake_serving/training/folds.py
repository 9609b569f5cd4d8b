"""Training on real swaps and judging them fairly: in turns, by people.

Media of one identity are in one fold. Each fold's network is trained without the people of that
fold, and only it judges them. What ships is the average of their weights, which learnt from all:
runs from one start lie close enough for that, and their average errs less than one of them (model
soups, Wortsman et al. 2022, arXiv:2203.05482).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from deepfake_serving.training.data.locate import finder
from deepfake_serving.training.judge import Judge, LocalJudge
from deepfake_serving.training.material import Medium, read_media
from deepfake_serving.training.spec import read_spec
from deepfake_serving.training.swaps import read_swaps
from deepfake_serving.training.tracking import Kind
from deepfake_serving.training.train import run, trained_manifest
from deepfake_serving.training.trainer import NETWORK
from model_handlers.manifest import Manifest

RECORD = "folds.json"


def draw_folds(media: Sequence[Medium], count: int, seed: int) -> dict[str, int]:
    """The fold of each identity; folds differ by one person at most.

    Raises:
        ValueError: fewer people than folds.
    """
    people = sorted({medium.identity for medium in media})
    if len(people) < count:
        raise ValueError(f"{count} folds need as many people; there are {len(people)}")
    shuffled = sorted(people, key=lambda p: hashlib.sha256(f"{seed}:{p}".encode()).digest())
    return {person: place % count for place, person in enumerate(shuffled)}


def train_with_swaps(
    faces: Path,
    swaps_of: Path,
    spec_path: Path,
    out: Path,
    folds: int,
    workers: int,
    track: Kind,
    cache: Path,
) -> None:
    """Trains `out/fold-K` on the swaps below `swaps_of`, but fold K's people; `out` averages them.

    A run that is finished is not repeated, one that was interrupted goes on.

    Args:
        folds: 0 trains one network in `out` on all swaps, which nobody can judge fairly.
    """
    spec = read_spec(spec_path)
    media = read_media(swaps_of)
    manifest = trained_manifest(spec)
    swaps = read_swaps(media, finder(manifest.faces), spec.data.swap_frames, cache / "swaps")
    if not folds:
        run(faces, spec_path, out, None, swaps, workers, track, cache)
        return
    drawn = draw_folds(media, folds, spec.seed)
    out.mkdir(parents=True, exist_ok=True)
    (out / RECORD).write_text(json.dumps(drawn, indent=2, sort_keys=True) + "\n")
    for fold in range(folds):
        kept = [s for s in swaps if drawn[s.portrait.identity] != fold]
        run(faces, spec_path, folder(out, fold), None, kept, workers, track, cache)
    states = [load_file(folder(out, fold) / NETWORK) for fold in range(folds)]
    save_file(average(states), out / NETWORK)


def average(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each tensor, in its own type."""
    return {
        name: torch.stack([state[name].float() for state in states]).mean(0).to(tensor.dtype)
        for name, tensor in states[0].items()
    }


class FoldJudges:
    """The judge of each medium: the network that wasn't trained on its person.

    Args:
        out: the folder of `train_with_swaps`.

    Raises:
        ValueError: asked for somebody who was in no fold.
    """

    def __init__(self, manifest: Manifest, out: Path) -> None:
        self._out = out
        self._folds: dict[str, int] = json.loads((out / RECORD).read_text(encoding="utf-8"))
        self._judge = lru_cache(lambda weights: LocalJudge(manifest, weights))

    def __call__(self, medium: Medium) -> Judge:
        judge: Judge = self._judge(self.weights(medium))
        return judge

    def weights(self, medium: Medium) -> Path:
        """Of the network that wasn't trained on the medium's person."""
        if medium.identity not in self._folds:
            raise ValueError(f"{medium.path.name}: no fold left out {medium.identity!r}")
        return folder(self._out, self._folds[medium.identity]) / NETWORK


def folder(out: Path, fold: int) -> Path:
    """Of the run that leaves out the people of `fold`."""
    return out / f"fold-{fold}"
