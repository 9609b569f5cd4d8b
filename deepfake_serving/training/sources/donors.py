"""Selection of donors for blends: other people whose face has a similar shape and pose."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.sources.pack import Pack

_CANDIDATES = 400
_NEAREST = 12


class Donors:
    """The real faces of one pack, searchable by shape."""

    def __init__(self, pack: Pack) -> None:
        self._numbers = np.flatnonzero(~pack.fake)
        self._identities = pack.identity
        self._shapes = shapes(pack.five_points[self._numbers])

    def draw(self, five: npt.NDArray[np.float32], identity: str, rng: np.random.Generator) -> int:
        """Draws one of the nearest among a few hundred random faces of other people.

        Raises:
            ValueError: all faces are of the same person.
        """
        candidates = rng.choice(
            len(self._numbers), min(_CANDIDATES, len(self._numbers)), replace=False
        )
        others = candidates[self._identities[self._numbers[candidates]] != identity]
        if not len(others):
            raise ValueError("blends across identities need faces of two people")
        distance = np.linalg.norm(self._shapes[others] - shapes(five[None]), axis=1)
        nearest = others[np.argsort(distance)[:_NEAREST]]
        return int(self._numbers[rng.choice(nearest)])


def shapes(five: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Normalizes landmarks (n, 5, 2) to vectors (n, 10) without position and scale."""
    centred = five - five.mean(1, keepdims=True)
    flat = centred.reshape(len(five), -1)
    norm = np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6
    unit: npt.NDArray[np.float32] = (flat / norm).astype(np.float32)
    return unit
