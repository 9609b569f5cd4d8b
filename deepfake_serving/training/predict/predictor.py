"""Predictions for faces: the interface, and the model in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from safetensors.torch import load_file

from deepfake_serving.training.config.manifest import with_synthesis
from deepfake_serving.training.data.face_regions import FaceRegion
from model_handlers.backends.pytorch import build_classifier
from model_handlers.manifest import CropSpec, Manifest, ManifestError
from model_handlers.pipeline.calibration import Floats
from model_handlers.pipeline.classifier import Classifier
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.crops.boxed import boxed_crop
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detail import detail
from model_handlers.pipeline.stopwatch import Stopwatch

_BATCH_SIZE = 16


class Predictions(NamedTuple):
    """Predictions for n faces; NaN where unknown.

    Attributes:
        logits: (n,), before calibration.
        probabilities: (n,), calibrated probability of fake.
        details: (n,), high-frequency detail of the crops.
    """

    logits: Floats
    probabilities: Floats
    details: Floats


class Predictor(Protocol):
    """Predicts each face, in order; NaN where it found no face."""

    def __call__(self, regions: Sequence[FaceRegion]) -> Predictions: ...


class LocalPredictor:
    """The classifier that is served, run in this process.

    Args:
        weights: safetensors of the network, with a synthesis head or without; None for an
            untrained one.
    """

    def __init__(self, manifest: Manifest, weights: Path | None) -> None:
        state = load_file(weights) if weights else None
        if state is not None:
            manifest = with_synthesis(manifest, "synthesis.weight" in state)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.manifest = manifest
        self.classifier = Classifier(manifest, build_classifier(manifest, state, device))

    def __call__(self, regions: Sequence[FaceRegion]) -> Predictions:
        starts = range(0, len(regions), _BATCH_SIZE)
        batches = [self._predict(regions[i : i + _BATCH_SIZE]) for i in starts]
        if not batches:
            return Predictions(np.zeros(0), np.zeros(0), np.zeros(0))
        return Predictions(*(np.concatenate(column) for column in zip(*batches, strict=True)))

    def _predict(self, regions: Sequence[FaceRegion]) -> Predictions:
        crops = [_crop(region, self.manifest.crop) for region in regions]
        logits = self.classifier.logits(crops, Stopwatch())
        details = [detail(crop) for crop in crops]
        sizes = [r.face_px for r in regions]
        probabilities = self.classifier.probabilities(logits, sizes, details)
        return Predictions(logits, probabilities, np.array(details))


def _crop(region: FaceRegion, spec: CropSpec) -> Pixels:
    if spec.align == "landmarks":
        raise ManifestError("crop.align: these faces have no landmarks; evaluate with --server")
    cut = crop_face if spec.shape == "square" else boxed_crop
    return cut(region.pixels, region.box, spec)
