"""Who judges the faces that are evaluated: a model in this process, or a running server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from deepfake_serving.training.material import FaceRegion
from model_handlers.backends.pytorch import judge
from model_handlers.manifest import Manifest
from model_handlers.pipeline.classifier import Classifier
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.detail import detail
from model_handlers.pipeline.stopwatch import Stopwatch

Floats = npt.NDArray[np.float64]
_BATCH = 16


class Judgement(NamedTuple):
    """Of n faces: `logits` (n,) before calibration, `probabilities` (n,), and the `details` (n,) of
    their crops; NaN where unknown."""

    logits: Floats
    probabilities: Floats
    details: Floats


class Judge(Protocol):
    """Judges faces, one answer for each in its place; NaN where it saw no face."""

    def __call__(self, regions: Sequence[FaceRegion]) -> Judgement: ...


class LocalJudge:
    """The product's own classifier, on this machine.

    Args:
        weights: safetensors of the network; None for an untrained one.
    """

    def __init__(self, manifest: Manifest, weights: Path | None) -> None:
        state = load_file(weights) if weights else None
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.manifest, self.classifier = (
            manifest,
            Classifier(manifest, judge(manifest, state, device)),
        )

    def __call__(self, regions: Sequence[FaceRegion]) -> Judgement:
        parts = [self._judge(regions[i : i + _BATCH]) for i in range(0, len(regions), _BATCH)]
        if not parts:
            return Judgement(np.zeros(0), np.zeros(0), np.zeros(0))
        return Judgement(*(np.concatenate(p) for p in zip(*parts, strict=True)))

    def _judge(self, regions: Sequence[FaceRegion]) -> Judgement:
        crops = [crop_face(r.pixels, r.box, self.manifest.crop) for r in regions]
        sides = [r.face_px for r in regions]
        logits = self.classifier.logits(crops, Stopwatch())
        details = [detail(crop) for crop in crops]
        probabilities = self.classifier.probabilities(logits, sides, details)
        return Judgement(logits, probabilities, np.array(details))
