"""The interface between the pipeline and the backends: images in, arrays out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detection.pyramid import Layout

Floats = npt.NDArray[np.float32]

Batch = Any
"""(n, h, w, 3) RGB, 0 to 255: an array, or a tensor on the backend's device."""


class Graph(Protocol):
    """A network including its preprocessing. Not thread-safe."""

    def __call__(self, *images: Batch) -> tuple[Floats, ...]:
        """Runs batches of one height and width, n ≥ 1 images in all; returns outputs (n, ...)."""
        ...


class PreparedImage(Protocol):
    """An image in the backend's memory, from which MTCNN takes its pyramid and crops."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    def canvas(self, layout: Layout) -> Batch:
        """Draws the image's pyramid: (1, height, width, 3).

        The smaller levels are resized from the first, so that the image is read once.
        """
        ...

    def crops(self, boxes: npt.NDArray[np.int64], size: int) -> Batch:
        """Crops boxes and stretches each to a square.

        Args:
            boxes: (n, 4); x1, y1, x2, y2 within the image, x2 and y2 exclusive.

        Returns:
            (n, size, size, 3).
        """
        ...


class Cascade(NamedTuple):
    """The three networks of MTCNN. Each returns box offsets first and scores last.

    Shapes:
        pnet: (n, h, w, 3) → (n, 4, h', w'), (n, h', w').
        rnet: (n, 24, 24, 3) → (n, 4), (n,).
        onet: (n, 48, 48, 3) → (n, 4), (n, 10) landmarks, five x and then five y, (n,).
    """

    pnet: Graph
    rnet: Graph
    onet: Graph
    prepare: Callable[[Pixels], PreparedImage]
