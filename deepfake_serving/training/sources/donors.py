"""Somebody else whose face has a similar shape and pose: who may be blended in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.sources.pack import Pack

_CANDIDATES = 400
_NEAREST = 12


class Donors:
    """The real faces of one pack, by shape."""

    def __init__(self, pack: Pack) -> None:
        self._numbers = np.flatnonzero(~pack.fake)
        self._people = pack.identity
        self._shapes = shapes(pack.five_points[self._numbers])

    def draw(self, five: npt.NDArray[np.float32], identity: str, rng: np.random.Generator) -> int:
        """One of the nearest of a random few hundred, never of the same person.

        Raises:
            ValueError: there is nobody else.
        """
        candidates = rng.choice(
            len(self._numbers), min(_CANDIDATES, len(self._numbers)), replace=False
        )
        others = candidates[self._people[self._numbers[candidates]] != identity]
        if not len(others):
            raise ValueError("blends across identities need faces of two people")
        distance = np.linalg.norm(self._shapes[others] - shapes(five[None]), axis=1)
        nearest = others[np.argsort(distance)[:_NEAREST]]
        return int(self._numbers[rng.choice(nearest)])


def shapes(five: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(n, 5, 2) landmarks → (n, 10), free of place and size."""
    centred = five - five.mean(1, keepdims=True)
    flat = centred.reshape(len(five), -1)
    norm = np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6
    unit: npt.NDArray[np.float32] = (flat / norm).astype(np.float32)
    return unit
