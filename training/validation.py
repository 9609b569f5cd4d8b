"""A network's figures on development media while it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from model_handlers.manifest import Manifest
from model_handlers.pipeline.network import Network
from training.data.locate import finder
from training.material import face_regions, read_media
from training.scoring import logits, region_crops


class MediaValidation:
    """AUC and log loss over videos (mean of the frames' logits) of a `real/`, `fake/` folder."""

    def __init__(self, root: Path, manifest: Manifest, cache: Path, frames: int = 6) -> None:
        faces = finder(manifest.faces)
        media = read_media(root)
        found = [face_regions(medium, frames, faces, cache) for medium in media]
        kept = [(m, r) for m, r in zip(media, found, strict=True) if r]
        self.labels = np.array([medium.fake for medium, _ in kept])
        self.crops = [region_crops(regions, manifest) for _, regions in kept]

    def __call__(self, network: Network) -> dict[str, float]:
        scores = np.array([_mean(network, crops) for crops in self.crops])
        probabilities = 1 / (1 + np.exp(-np.clip(scores, -30, 30)))
        return {
            "auc": float(roc_auc_score(self.labels, scores)),
            "loss": float(log_loss(self.labels, probabilities)),
        }


def _mean(network: Network, crops: Sequence[object]) -> float:
    return float(logits(network, crops).mean())  # type: ignore[arg-type]
