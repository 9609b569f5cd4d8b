"""A network's figures on development media while it is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from deepfake_serving.training.data.locate import finder
from deepfake_serving.training.material import face_regions, read_media
from model_handlers.backends.pytorch import judge
from model_handlers.manifest import Manifest
from model_handlers.networks.network import Network
from model_handlers.pipeline.classifier import Classifier
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.stopwatch import Stopwatch


class MediaValidation:
    """AUC and log loss over videos (mean of the frames' logits, as in service) of a folder."""

    def __init__(self, root: Path, manifest: Manifest, cache: Path, frames: int = 6) -> None:
        faces = finder(manifest.faces)
        media = read_media(root)
        found = [face_regions(medium, frames, faces, cache) for medium in media]
        kept = [(m, r) for m, r in zip(media, found, strict=True) if r]
        self.manifest = manifest
        self.labels = np.array([medium.fake for medium, _ in kept])
        self.crops = [
            [crop_face(r.pixels, r.box, manifest.crop) for r in regions] for _, regions in kept
        ]

    def __call__(self, network: Network) -> dict[str, float]:
        classifier = Classifier(
            self.manifest, judge(self.manifest, network, next(network.parameters()).device)
        )
        watch = Stopwatch()
        scores = np.array([classifier.logits(crops, watch).mean() for crops in self.crops])
        probabilities = 1 / (1 + np.exp(-np.clip(scores, -30, 30)))
        return {
            "auc": float(roc_auc_score(self.labels, scores)),
            "loss": float(log_loss(self.labels, probabilities)),
        }
