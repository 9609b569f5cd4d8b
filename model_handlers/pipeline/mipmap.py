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
from model_handlers.pipeline.pyramid import Layout

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

    def canvas(self, layout: Layout) -> Pixels:
        """As `graph.Picture.canvas`."""
        canvas = np.zeros((1, layout.height, layout.width, 3), np.uint8)
        first = self._resized(layout.levels[0].width, layout.levels[0].height)
        for level in layout.levels:
            size = level.width, level.height
            shrunk = cv2.resize(first, size, interpolation=cv2.INTER_AREA)
            below, right = level.height % 2, level.width % 2
            padded = cv2.copyMakeBorder(shrunk, 0, below, 0, right, cv2.BORDER_REPLICATE)
            rows, columns = padded.shape[:2]
            canvas[0, level.top : level.top + rows, level.left : level.left + columns] = padded
        return canvas

    def cuts(self, boxes: npt.NDArray[np.int64], size: int) -> Pixels:
        """As `graph.Picture.cuts`."""
        copies = np.empty((len(boxes), size, size, 3), np.uint8)
        least = max(1.0, 2 * max(self.width, self.height) / _LONGEST)  # rounding down, not up
        indices = nearest_levels(boxes, size, least)
        for index, here in _alike(indices, _LONGEST // size):
            level, shrunk = self._level(index)
            x, y = sampled_at(boxes[here], size, shrunk)
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

    def _resized(self, width: int, height: int) -> Pixels:
        """The whole picture at a size, from the smallest level that is not smaller."""
        ratio = min(self.width / width, self.height / height)
        level, _ = self._level(math.floor(math.log2(max(1.0, ratio))))
        resized = cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR)
        return resized.astype(np.uint8, copy=False)

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


def nearest_levels(boxes: npt.NDArray[np.int64], size: int, least: float = 1.0) -> Indices:
    """How often to halve a picture for each box (n, 4), so that it is once to twice the size.

    `least` is how many times smaller the picture must be made in any case.
    """
    ratios = np.maximum((boxes[:, 2:] - boxes[:, :2]).min(axis=1) / size, least)
    indices: Indices = np.floor(np.log2(ratios)).astype(np.intp)
    return indices


def sampled_at(
    boxes: npt.NDArray[np.int64], size: int, shrunk: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where the columns and rows of each box's copy lie in the picture made `shrunk` times smaller.

    Returns:
        x and y, each (n, size), in pixels whose centres have whole coordinates.
    """
    middles = (np.arange(size) + 0.5) / size
    sides = boxes[:, 2:] - boxes[:, :2]
    x, y = ((boxes[:, i, None] + sides[:, i, None] * middles) / shrunk - 0.5 for i in (0, 1))
    return x, y


def _alike(indices: Indices, most: int) -> Iterator[tuple[int, Indices]]:
    """Each value and where it stands, at most so many places at a time."""
    for index in np.unique(indices):
        places = np.flatnonzero(indices == index)
        for start in range(0, len(places), most):
            yield int(index), places[start : start + most]
