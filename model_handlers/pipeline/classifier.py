"""Crops to probabilities: one network over all of them, and the calibration of its logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_handlers.manifest import Manifest
from model_handlers.pipeline.calibration import Floats, calibrate
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detail import detail
from model_handlers.pipeline.graph import Graph
from model_handlers.pipeline.stopwatch import Stopwatch

_FORWARD_AT_MOST = 256


class Classifier:
    """Judges face crops. Without weights the network is untrained, and the manifest says so."""

    def __init__(self, manifest: Manifest, judge: Graph) -> None:
        """`judge` takes crops (n, size, size, 3) and answers logits (n,)."""
        self.manifest, self.judge = manifest, judge

    def classify(
        self, crops: Sequence[Pixels], face_px: Sequence[float], watch: Stopwatch
    ) -> Floats:
        """(size, size, 3) crops → calibrated probabilities (n,) that each face is fake.

        Args:
            face_px: longer sides (n,) of the faces, in pixels of the pictures they were cut from.
        """
        details = [detail(crop) for crop in crops]
        return self.probabilities(self.logits(crops, watch), face_px, details)

    def probabilities(
        self, logits: Floats, face_px: Sequence[float], details: Sequence[float]
    ) -> Floats:
        """Logits (n,) as `logits` gives them → calibrated probabilities (n,)."""
        return calibrate(logits, self.manifest.calibration, face_px, details)

    def logits(self, crops: Sequence[Pixels], watch: Stopwatch) -> Floats:
        """(size, size, 3) crops → logits (n,)."""
        if not crops:
            return np.zeros(0)
        chunks = [
            np.stack(crops[start : start + _FORWARD_AT_MOST])
            for start in range(0, len(crops), _FORWARD_AT_MOST)
        ]
        with watch("classify"):
            return _finite(np.concatenate([self.judge(chunk)[0] for chunk in chunks]))


def _finite(logits: np.typing.NDArray[np.float32]) -> Floats:
    """NaN would compare as neither real nor fake and so pass for "suspicious"."""
    if not np.isfinite(logits).all():
        raise ArithmeticError("the network gave a logit that is no number: are its weights broken?")
    return logits.astype(np.float64)
