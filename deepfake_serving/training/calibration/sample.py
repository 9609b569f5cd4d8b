"""The arrays that a calibration is fitted to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.predict.scores import Score
from model_handlers.pipeline.calibration import Floats


@dataclass(frozen=True, slots=True)
class CalibrationSample:
    """Predicted faces as arrays (n,). Each media file has the same total weight."""

    logits: Floats
    fake: npt.NDArray[np.bool_]
    face_px: Floats
    detail: Floats
    weights: Floats
    groups: npt.NDArray[np.str_]

    @classmethod
    def from_scores(cls, scores: Sequence[Score]) -> CalibrationSample:
        """Builds the sample from all faces with a logit.

        Raises:
            ValueError: there are no logits, or fakes or reals are missing.
        """
        kept = [s for s in scores if np.isfinite(s.logit)]
        if scores and not kept:
            raise ValueError("no score has a logit: a server's can't be calibrated")
        fake = np.array([s.fake for s in kept], dtype=bool)
        if len(set(fake.tolist())) < 2:
            raise ValueError("calibration needs scores of both classes")
        faces = Counter(score.path for score in kept)
        return cls(
            np.array([s.logit for s in kept]),
            fake,
            np.array([s.face_px for s in kept]),
            np.array([s.detail for s in kept]),
            np.array([1 / faces[s.path] for s in kept]),
            np.array([s.identity for s in kept]),
        )

    @property
    def identity_count(self) -> int:
        """The number of distinct identities."""
        return len(set(self.groups.tolist()))

    def subset(self, indices: npt.NDArray[np.intp]) -> CalibrationSample:
        """Returns the faces at `indices`."""
        return CalibrationSample(
            self.logits[indices],
            self.fake[indices],
            self.face_px[indices],
            self.detail[indices],
            self.weights[indices],
            self.groups[indices],
        )
