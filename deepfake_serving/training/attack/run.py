"""All attacks on one model, to `attacks.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from deepfake_serving.packaging.archive import digest_of
from deepfake_serving.training.attack import patch, pgd
from deepfake_serving.training.attack.backdoor import backdoor
from deepfake_serving.training.attack.damage import logits, standing
from deepfake_serving.training.attack.material import Pictures, Targets, as_saved, targets
from deepfake_serving.training.attack.victim import Victim, classifier
from deepfake_serving.training.export.half import read_network
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
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Attacks `count` crops of `media` (real/, fake/) with the weights in hand; writes `out`.

    Args:
        steps: of each attack; more make it stronger, until it no longer gains.
        poison: folder of portraits; a copy of the network is then also trained on poisoned pairs.
        tell: is given a line for each attack.

    Raises:
        ExportError: the weights are not the manifest's network's.
        ValueError: the media lack a kind.
    """
    manifest = read_manifest(model)
    found = targets(media, manifest, count, seed, cache)
    victim = Victim(read_network(weights, manifest), manifest)
    victim.to("cuda" if torch.cuda.is_available() else "cpu")
    content: dict[str, Any] = {
        "about": {
            "model": f"{manifest.name} {manifest.version}",
            "weights digest": digest_of(weights),
            "media": media.resolve().name,
            "real": int((~found.fake).sum()),
            "fake": int(found.fake.sum()),
            "steps": steps,
            "seed": seed,
            "fake above": manifest.thresholds.fake_above,
        }
    }
    content["attacks"] = []
    for row in evasions(victim, manifest, found, steps, seed):
        content["attacks"].append(row)
        tell(
            f"{row['attack']} {row['strength']}: AUC {row['before']['auc']:.3f} → "
            f"{row['after']['auc']:.3f}"
        )
    if poison is not None:
        fresh = read_network(weights, manifest)
        content["poisoning"] = backdoor(
            fresh, manifest, poison, cache or out, found, poison_steps, seed=seed
        )
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (out / FILE).write_text(text + "\n", encoding="utf-8")
    return content


def evasions(
    victim: Victim, manifest: Manifest, found: Targets, steps: int, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """A row for each attack on the fakes among `found`; the reals stay as they are.

    `after` is of the pictures as the attack left them, `after_saving` of the same in 256 levels.
    """
    art = classifier(victim)
    fakes, reals = found.at(found.fake), logits(victim, found.pictures[~found.fake])

    def row(name: str, strength: str, paper: str, hit: Targets, changed: Pictures) -> Any:
        states = {"before": hit.pictures, "after": changed, "after_saving": as_saved(changed)}
        figures = {
            state: asdict(standing(reals, logits(victim, pictures), hit, manifest))
            for state, pictures in states.items()
        }
        sizes = {"real": len(reals), "fake": len(hit.fake)}
        return {"attack": name, "strength": strength, "paper": paper} | sizes | figures

    for ball in pgd.BALLS:
        changed = pgd.evade(art, fakes.pictures, ball, steps)
        yield row("PGD", ball.label, pgd.PAPER, fakes, changed)
    if len(fakes.fake) < 2:
        return
    # A patch is learnt on some fakes and put on others: it is to fit those it never saw.
    half = len(fakes.fake) // 2
    learnt, struck = fakes.at(slice(0, half)), fakes.at(slice(half, None))
    sticker = patch.learn_patch(art, learnt.pictures, steps * _PATCH_PASSES, seed)
    strength = f"{sticker.area(manifest.crop.size):.1%} of the crop"
    yield row("patch", strength, patch.PAPER, struck, sticker.put(struck.pictures))
