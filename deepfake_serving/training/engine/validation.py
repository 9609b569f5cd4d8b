"""Validation of a network on development media during training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from deepfake_serving.training.data.face_regions import face_regions
from deepfake_serving.training.data.landmarks import build_face_detector
from deepfake_serving.training.data.media import read_media
from model_handlers.backends.pytorch import build_classifier
from model_handlers.manifest import Manifest
from model_handlers.networks.network import Network
from model_handlers.pipeline.classifier import Classifier
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.stopwatch import Stopwatch


class MediaValidation:
    """Computes AUC and log loss over the videos of a folder.

    A video's logit is the mean over its frames, as in service.

    Raises:
        ValueError: no real or no fake shows a face.
    """

    def __init__(self, root: Path, manifest: Manifest, cache: Path, frames: int = 6) -> None:
        face_detector = build_face_detector(manifest.faces)
        files = [
            (file, face_regions(file, frames, face_detector, cache)) for file in read_media(root)
        ]
        with_face = [(file, regions) for file, regions in files if regions]
        self.manifest = manifest
        self.labels = np.array([file.fake for file, _ in with_face], dtype=bool)
        for label, found in (("real", ~self.labels), ("fake", self.labels)):
            if not found.any():
                raise ValueError(f"{root / label}: no face in any image or video")
        self.crops = [
            [crop_face(r.pixels, r.box, manifest.crop) for r in regions] for _, regions in with_face
        ]

    def __call__(self, network: Network) -> dict[str, float]:
        """Returns `auc` and `loss`."""
        device = next(network.parameters()).device
        classifier = Classifier(self.manifest, build_classifier(self.manifest, network, device))
        stopwatch = Stopwatch()
        logits = np.array([classifier.logits(crops, stopwatch).mean() for crops in self.crops])
        probabilities = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        return {
            "auc": float(roc_auc_score(self.labels, logits)),
            "loss": float(log_loss(self.labels, probabilities)),
        }
