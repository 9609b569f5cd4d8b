"""A picture and its halves, quarters and so on: small copies are cut from a level near their size.

Resizing by area straight from a large picture reads every pixel of it, for each of MTCNN's dozens
of candidates anew. Halving once, and sampling the level between once and twice the wanted size
linearly, reads few (Williams 1983, "Pyramidal Parametrics").
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from model_handlers.pipeline.boxes import Indices
from model_handlers.pipeline.decode import Pixels

_LONGEST = 2**15 - 2
"""px; OpenCV's remap takes and gives no longer picture."""


class Mipmap:
    """Levels of one uint8 (height, width, 3) picture, each half of the one before; made lazily."""

    def __init__(self, image: Pixels) -> None:
        self._levels = [image]

    @property
    def width(self) -> int:
        return int(self._levels[0].shape[1])

    @property
    def height(self) -> int:
        return int(self._levels[0].shape[0])

    def resized(self, width: int, height: int) -> Pixels:
        """The whole picture at a size, from the smallest level that is not smaller."""
        ratio = min(self.width / width, self.height / height)
        level, _ = self._level(math.floor(math.log2(max(1.0, ratio))))
        resized = cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR)
        return resized.astype(np.uint8, copy=False)

    def cuts(self, boxes: npt.NDArray[np.int64], size: int) -> Pixels:
        """Parts of the picture, each stretched to a square.

        Args:
            boxes: (n, 4); x1, y1 and the x2, y2 before which a part ends, all in the picture.

        Returns:
            uint8 (n, size, size, 3).
        """
        copies = np.empty((len(boxes), size, size, 3), np.uint8)
        sides = boxes[:, 2:] - boxes[:, :2]
        least = max(1.0, 2 * max(self.width, self.height) / _LONGEST)  # rounding down, not up
        ratios = np.maximum(sides.min(axis=1) / size, least)
        indices = np.floor(np.log2(ratios)).astype(np.int64)
        middles = (np.arange(size) + 0.5) / size  # pixels' centres lie at halves
        for index, here in _alike(indices, _LONGEST // size):
            level, shrunk = self._level(index)
            x, y = (
                (boxes[here, axis, None] + sides[here, axis, None] * middles) / shrunk - 0.5
                for axis in (0, 1)
            )
            grid = len(here), size, size
            across, down = (
                np.broadcast_to(at, grid).reshape(-1, size).astype(np.float32)
                for at in (x[:, None, :], y[:, :, None])
            )
            found = cv2.remap(
                level, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            copies[here] = found.reshape(*grid, 3)
        return copies

    def _level(self, index: int) -> tuple[Pixels, int]:
        """The picture halved `index` times, or as often as it can be, and how many times smaller
        it then is."""
        while len(self._levels) <= index:
            last = self._levels[-1]
            height, width = (side // 2 for side in last.shape[:2])
            if min(height, width) == 0:
                break
            even = last[: 2 * height, : 2 * width]
            half = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
            self._levels.append(half.astype(np.uint8, copy=False))
        index = min(index, len(self._levels) - 1)
        return self._levels[index], 2**index


def _alike(indices: npt.NDArray[np.int64], most: int) -> Iterator[tuple[int, Indices]]:
    """Each value and where it stands, at most so many places at a time."""
    for index in np.unique(indices):
        places = np.flatnonzero(indices == index)
        for start in range(0, len(places), most):
            yield int(index), places[start : start + most]
