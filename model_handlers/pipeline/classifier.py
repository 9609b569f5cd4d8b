"""Classification: from face crops to logits to calibrated probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from deepfake_serving.contracts.verdict import HeatmapMethod
from model_handlers.manifest import Manifest
from model_handlers.pipeline.calibration import Floats, calibrate
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detail import detail
from model_handlers.pipeline.graph import Graph
from model_handlers.pipeline.stopwatch import Stopwatch

_MAX_FORWARD_BATCH = 256


class Scores(NamedTuple):
    """Probabilities (n,), the logits (n,) that they were calibrated from, and maps of the crops.

    `maps` (n, rows, columns) are made by `method`; both are None for a network without maps.
    """

    probabilities: Floats
    logits: Floats
    maps: npt.NDArray[np.float32] | None
    method: HeatmapMethod | None = None


class Classifier:
    """Classifies face crops. Without weights the network is untrained; see `Manifest.trained`."""

    def __init__(self, manifest: Manifest, network: Graph) -> None:
        """`network` maps crops (n, size, size, 3) to logits (n,), and maybe contributions."""
        self.manifest, self.network = manifest, network

    def classify(
        self, crops: Sequence[Pixels], face_px: Sequence[float], watch: Stopwatch
    ) -> Floats:
        """Returns the probabilities (n,) of `score`."""
        return self.score(crops, face_px, watch).probabilities

    def score(self, crops: Sequence[Pixels], face_px: Sequence[float], watch: Stopwatch) -> Scores:
        """Returns calibrated probabilities that the faces are fake, for (size, size, 3) crops.

        Args:
            face_px: longer sides (n,) of the faces, in pixels of the images they were cropped from.
        """
        details = [detail(crop) for crop in crops]
        logits, maps = self._run(crops, watch)
        return Scores(
            self.probabilities(logits, face_px, details), logits, maps, self.manifest.heatmap
        )

    def probabilities(
        self, logits: Floats, face_px: Sequence[float], details: Sequence[float]
    ) -> Floats:
        """Calibrates logits (n,) to probabilities (n,)."""
        return calibrate(logits, self.manifest.calibration, face_px, details)

    def logits(self, crops: Sequence[Pixels], watch: Stopwatch) -> Floats:
        """Returns logits (n,) for (size, size, 3) crops."""
        return self._run(crops, watch)[0]

    def _run(
        self, crops: Sequence[Pixels], watch: Stopwatch
    ) -> tuple[Floats, npt.NDArray[np.float32] | None]:
        if not crops:
            return np.zeros(0), None
        chunks = [
            np.stack(crops[start : start + _MAX_FORWARD_BATCH])
            for start in range(0, len(crops), _MAX_FORWARD_BATCH)
        ]
        with watch("classify"):
            parts = zip(*(self.network(chunk) for chunk in chunks), strict=True)
            logits, *maps = (np.concatenate(part) for part in parts)
        return _finite(logits), maps[0] if maps else None


def _finite(logits: np.typing.NDArray[np.float32]) -> Floats:
    """Refuses NaN, which compares as neither real nor fake and would be labelled suspicious."""
    if not np.isfinite(logits).all():
        raise ArithmeticError(
            "the network returned a logit that is not finite: are its weights corrupt?"
        )
    return logits.astype(np.float64)
