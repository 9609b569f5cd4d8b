"""What the stages ask of whatever runs the networks: pictures in, arrays out."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from model_handlers.pipeline.decode import Pixels

Floats = npt.NDArray[np.float32]


class Graph(Protocol):
    """A network with all that belongs to it, from 8-bit pictures on. Not for several threads."""

    def __call__(self, images: Pixels) -> tuple[Floats, ...]:
        """uint8 (n, h, w, 3) RGB, n of at least 1 → its outputs, each (n, ...)."""
        ...


class Cascade(NamedTuple):
    """The three networks of MTCNN. Each answers offsets of boxes first and scores last.

    Shapes:
        pnet: (n, h, w, 3) → (n, 4, h', w'), (n, h', w').
        rnet: (n, 24, 24, 3) → (n, 4), (n,).
        onet: (n, 48, 48, 3) → (n, 4), (n, 10) landmarks, five x and then five y, (n,).
    """

    pnet: Graph
    rnet: Graph
    onet: Graph
