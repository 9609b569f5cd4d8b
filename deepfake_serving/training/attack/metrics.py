"""Attack metrics: AUC, and the share of fakes that are still labelled fake."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from deepfake_serving.training.attack.target_crops import Images, TargetCrops, to_crops
from deepfake_serving.training.attack.target_model import TargetModel
from model_handlers.manifest import Manifest
from model_handlers.pipeline.calibration import Floats, calibrate
from model_handlers.pipeline.detail import detail

_BATCH_SIZE = 16


@dataclass(frozen=True, slots=True)
class AttackMetrics:
    """`auc` of the fakes against unattacked reals; the share of fakes above `fake_above`."""

    auc: float
    fakes_called_fake: float


@torch.inference_mode()
def predict_logits(model: TargetModel, images: Images) -> Floats:
    """Maps (n, 3, s, s) in 0..1 to logits (n,)."""
    device = next(model.parameters()).device
    starts = range(0, len(images), _BATCH_SIZE)
    batches = [torch.from_numpy(images[i : i + _BATCH_SIZE]).to(device) for i in starts]
    return np.concatenate([model(batch)[:, 1].double().cpu().numpy() for batch in batches])


def attack_metrics(
    real: Floats, fake: Floats, fakes: TargetCrops, manifest: Manifest
) -> AttackMetrics:
    """Computes the metrics from logits of the reals (n,) and of the attacked `fakes` (m,).

    Face size and detail are those of the unattacked fakes; an attack is too faint to change either.
    """
    scores = np.concatenate([real, fake])
    labels = np.repeat([False, True], [len(real), len(fake)])
    details = [detail(crop) for crop in to_crops(fakes.images)]
    probabilities = calibrate(fake, manifest.calibration, fakes.face_px, details)
    detected = float((probabilities > manifest.thresholds.fake_above).mean())
    return AttackMetrics(float(roc_auc_score(labels, scores)), detected)
