"""Whether a fake scores above the very original that it was made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.evaluate.levels import Floats, Judged
from deepfake_serving.training.evaluate.metrics import ratio


def pairs_right(judged: Judged, weights: Floats) -> Floats:
    """Share (b,) of the pairs (fake, real of the same identity) in which the fake scores higher.

    Equal scores count half. A pair weighs as much as its identity's fake. NaN without a pair.
    """
    fakes, reals = _pairs(judged)
    if not len(fakes):
        return np.full(len(weights), np.nan)
    gap = judged.probabilities[fakes] - judged.probabilities[reals]
    right = np.where(gap == 0, 0.5, (gap > 0).astype(np.float64))
    weighed = weights[:, fakes]
    return ratio(weighed @ right, weighed.sum(1))


def _pairs(judged: Judged) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    fakes, reals = np.flatnonzero(judged.labels), np.flatnonzero(~judged.labels)
    same = judged.identities[fakes][:, None] == judged.identities[reals][None, :]
    left, right = np.nonzero(same)
    return fakes[left], reals[right]
