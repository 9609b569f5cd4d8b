"""Classification: from face crops to logits to calibrated probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_handlers.manifest import Manifest
from model_handlers.pipeline.calibration import Floats, calibrate
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detail import detail
from model_handlers.pipeline.graph import Graph
from model_handlers.pipeline.stopwatch import Stopwatch

_MAX_FORWARD_BATCH = 256


class Classifier:
    """Classifies face crops. Without weights the network is untrained; see `Manifest.trained`."""

    def __init__(self, manifest: Manifest, network: Graph) -> None:
        """`network` maps crops (n, size, size, 3) to logits (n,)."""
        self.manifest, self.network = manifest, network

    def classify(
        self, crops: Sequence[Pixels], face_px: Sequence[float], watch: Stopwatch
    ) -> Floats:
        """Returns calibrated probabilities (n,) that the faces are fake, for (size, size, 3) crops.

        Args:
            face_px: longer sides (n,) of the faces, in pixels of the images they were cropped from.
        """
        details = [detail(crop) for crop in crops]
        return self.probabilities(self.logits(crops, watch), face_px, details)

    def probabilities(
        self, logits: Floats, face_px: Sequence[float], details: Sequence[float]
    ) -> Floats:
        """Calibrates logits (n,) to probabilities (n,)."""
        return calibrate(logits, self.manifest.calibration, face_px, details)

    def logits(self, crops: Sequence[Pixels], watch: Stopwatch) -> Floats:
        """Returns logits (n,) for (size, size, 3) crops."""
        if not crops:
            return np.zeros(0)
        chunks = [
            np.stack(crops[start : start + _MAX_FORWARD_BATCH])
            for start in range(0, len(crops), _MAX_FORWARD_BATCH)
        ]
        with watch("classify"):
            return _finite(np.concatenate([self.network(chunk)[0] for chunk in chunks]))


def _finite(logits: np.typing.NDArray[np.float32]) -> Floats:
    """Refuses NaN, which compares as neither real nor fake and would be labelled suspicious."""
    if not np.isfinite(logits).all():
        raise ArithmeticError(
            "the network returned a logit that is not finite: are its weights corrupt?"
        )
    return logits.astype(np.float64)
