"""What the stages ask of whatever runs the networks: pictures in, arrays out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.pyramid import Layout

Floats = npt.NDArray[np.float32]

Batch = Any
"""(n, h, w, 3) RGB, 0 to 255, as the backend holds it: an array, or a tensor on its device."""


class Graph(Protocol):
    """A network with all that belongs to it, from pictures on. Not for several threads."""

    def __call__(self, *images: Batch) -> tuple[Floats, ...]:
        """Batches of one height and width, at least one picture in all → its outputs, each
        (n, ...), for all of them in order."""
        ...


class Picture(Protocol):
    """One picture where the backend wants it, and the copies of its parts that MTCNN asks for."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    def canvas(self, layout: Layout) -> Batch:
        """(1, height, width, 3): every level of the picture in its place.

        The levels below the first are taken from it, so that the picture is read once.
        """
        ...

    def cuts(self, boxes: npt.NDArray[np.int64], size: int) -> Batch:
        """Parts of the picture, each stretched to a square.

        Args:
            boxes: (n, 4); x1, y1 and the x2, y2 before which a part ends, all in the picture.

        Returns:
            (n, size, size, 3).
        """
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
    hold: Callable[[Pixels], Picture]
