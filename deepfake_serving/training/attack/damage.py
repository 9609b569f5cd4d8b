"""What an attack does to the figures: AUC, and how many fakes are still called fake."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from deepfake_serving.training.attack.material import Pictures, Targets, to_crops
from deepfake_serving.training.attack.victim import Victim
from model_handlers.manifest import Manifest
from model_handlers.pipeline.calibration import Floats, calibrate
from model_handlers.pipeline.detail import detail

_BATCH = 16


@dataclass(frozen=True, slots=True)
class Standing:
    """`auc` of the fakes against untouched reals; the share of fakes above `fake_above`."""

    auc: float
    fakes_called_fake: float


@torch.inference_mode()
def logits(victim: Victim, pictures: Pictures) -> Floats:
    """(n, 3, s, s) in 0..1 → (n,) logits."""
    device = next(victim.parameters()).device
    parts = [torch.from_numpy(pictures[i : i + _BATCH]) for i in range(0, len(pictures), _BATCH)]
    return np.concatenate([victim(p.to(device))[:, 1].double().cpu().numpy() for p in parts])


def standing(real: Floats, fake: Floats, fakes: Targets, manifest: Manifest) -> Standing:
    """From logits of the reals (n,) and of the (changed) `fakes` (m,), by the calibration.

    Face size and detail are those of the unchanged ones: an attack is too faint to alter either.
    """
    scores = np.concatenate([real, fake])
    labels = np.repeat([False, True], [len(real), len(fake)])
    details = [detail(crop) for crop in to_crops(fakes.pictures)]
    probabilities = calibrate(fake, manifest.calibration, fakes.face_px, details)
    called = float((probabilities > manifest.thresholds.fake_above).mean())
    return Standing(float(roc_auc_score(labels, scores)), called)
