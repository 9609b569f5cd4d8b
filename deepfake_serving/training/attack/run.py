"""All attacks on one model, written to `attacks.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from deepfake_serving.packaging.archive import digest_of
from deepfake_serving.training.attack import patch, pgd
from deepfake_serving.training.attack.backdoor import run_backdoor
from deepfake_serving.training.attack.metrics import attack_metrics, predict_logits
from deepfake_serving.training.attack.target_crops import (
    Images,
    TargetCrops,
    quantize,
    read_target_crops,
)
from deepfake_serving.training.attack.target_model import TargetModel, art_classifier
from deepfake_serving.training.export.half_precision import read_network
from model_handlers.manifest import Manifest, read_manifest

FILE = "attacks.json"
_PATCH_PASSES = 3


def attack(
    media: Path,
    model: Path,
    weights: Path,
    out: Path,
    count: int = 32,
    steps: int = 10,
    seed: int = 0,
    cache: Path | None = None,
    poison: Path | None = None,
    poison_steps: int = 60,
    on_attack: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Runs white-box attacks on `count` crops of `media` (real/, fake/) and writes `out`.

    Args:
        steps: iterations of each attack; more make it stronger, up to convergence.
        poison: folder of portraits for the backdoor experiment on a copy of the network.
        on_attack: receives a line of text for each attack.

    Raises:
        ExportError: the weights belong to another network than the manifest's.
        ValueError: a class is missing among the media.
    """
    manifest = read_manifest(model)
    targets = read_target_crops(media, manifest, count, seed, cache)
    target_model = TargetModel(read_network(weights, manifest), manifest)
    target_model.to("cuda" if torch.cuda.is_available() else "cpu")
    content: dict[str, Any] = {"about": _about(manifest, weights, media, targets, steps, seed)}
    content["attacks"] = []
    for row in evasion_rows(target_model, manifest, targets, steps, seed):
        content["attacks"].append(row)
        on_attack(_line(row))
    if poison is not None:
        copy = read_network(weights, manifest)
        content["poisoning"] = run_backdoor(
            copy, manifest, poison, cache or out, targets, poison_steps, seed=seed
        )
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (out / FILE).write_text(text + "\n", encoding="utf-8")
    return content


def _about(
    manifest: Manifest, weights: Path, media: Path, targets: TargetCrops, steps: int, seed: int
) -> dict[str, Any]:
    return {
        "model": f"{manifest.name} {manifest.version}",
        "weights digest": digest_of(weights),
        "media": media.resolve().name,
        "real": int((~targets.fake).sum()),
        "fake": int(targets.fake.sum()),
        "steps": steps,
        "seed": seed,
        "fake above": manifest.thresholds.fake_above,
    }


def _line(row: dict[str, Any]) -> str:
    before, after = row["before"]["auc"], row["after"]["auc"]
    return f"{row['attack']} {row['strength']}: AUC {before:.3f} → {after:.3f}"


def evasion_rows(
    model: TargetModel, manifest: Manifest, targets: TargetCrops, steps: int, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Yields a row for each attack on the fakes of `targets`; the reals stay unattacked.

    `after` has the metrics of the attacked images, `after_saving` those of the same in 256 levels.
    """
    classifier = art_classifier(model)
    fakes = targets.subset(targets.fake)
    reals = predict_logits(model, targets.images[~targets.fake])

    def row(name: str, strength: str, paper: str, attacked: TargetCrops, images: Images) -> Any:
        states = {"before": attacked.images, "after": images, "after_saving": quantize(images)}
        metrics = {
            state: asdict(attack_metrics(reals, predict_logits(model, x), attacked, manifest))
            for state, x in states.items()
        }
        sizes = {"real": len(reals), "fake": len(attacked.fake)}
        return {"attack": name, "strength": strength, "paper": paper} | sizes | metrics

    for ball in pgd.BALLS:
        images = pgd.perturb(classifier, fakes.images, ball, steps)
        yield row("PGD", ball.label, pgd.PAPER, fakes, images)
    if len(fakes.fake) < 2:
        return
    # The patch is trained on one half of the fakes and applied to the other: it is universal.
    half = len(fakes.fake) // 2
    train, test = fakes.subset(slice(0, half)), fakes.subset(slice(half, None))
    sticker = patch.train_patch(classifier, train.images, steps * _PATCH_PASSES, seed)
    strength = f"{sticker.area(manifest.crop.size):.1%} of the crop"
    yield row("patch", strength, patch.PAPER, test, sticker.apply(test.images))
