"""Mipmaps: an image at full, half, quarter size and so on, from which MTCNN's crops are sampled.

Resizing each of MTCNN's dozens of candidates by area from a large image reads every pixel again.
Halving the image once, and sampling the level of one to two times the target size linearly, reads
few (Williams 1983, "Pyramidal Parametrics").
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detection.boxes import Indices
from model_handlers.pipeline.detection.pyramid import Layout

_MAX_SIDE = 2**15 - 2
"""px; limit of OpenCV's remap, for its input and output."""


class Mipmap:
    """Levels of a uint8 (height, width, 3) image, each half the one before; built lazily."""

    def __init__(self, image: Pixels) -> None:
        self._levels = [image]

    @property
    def width(self) -> int:
        return int(self._levels[0].shape[1])

    @property
    def height(self) -> int:
        return int(self._levels[0].shape[0])

    def canvas(self, layout: Layout) -> Pixels:
        """Implements `graph.PreparedImage.canvas`."""
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

    def crops(self, boxes: npt.NDArray[np.int64], size: int) -> Pixels:
        """Implements `graph.PreparedImage.crops`."""
        crops = np.empty((len(boxes), size, size, 3), np.uint8)
        # twice, since levels are rounded down
        min_reduction = max(1.0, 2 * max(self.width, self.height) / _MAX_SIDE)
        indices = nearest_levels(boxes, size, min_reduction)
        for index, members in _groups(indices, _MAX_SIDE // size):
            level, shrunk = self._level(index)
            x, y = sample_points(boxes[members], size, shrunk)
            grid = len(members), size, size
            across, down = (
                np.broadcast_to(at, grid).reshape(-1, size).astype(np.float32)
                for at in (x[:, None, :], y[:, :, None])
            )
            sampled = cv2.remap(
                level, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            crops[members] = sampled.reshape(*grid, 3)
        return crops

    def _resized(self, width: int, height: int) -> Pixels:
        """Resizes the whole image, from the smallest level that is at least that large."""
        ratio = min(self.width / width, self.height / height)
        level, _ = self._level(math.floor(math.log2(max(1.0, ratio))))
        resized = cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR)
        return resized.astype(np.uint8, copy=False)

    def _level(self, index: int) -> tuple[Pixels, int]:
        """Returns the image halved up to `index` times, and its reduction factor."""
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


def nearest_levels(boxes: npt.NDArray[np.int64], size: int, min_reduction: float = 1.0) -> Indices:
    """Returns the level (n,) for each box (n, 4): there the box is one to two times `size`.

    Args:
        min_reduction: smallest factor by which the image is reduced in any case.
    """
    ratios = np.maximum((boxes[:, 2:] - boxes[:, :2]).min(axis=1) / size, min_reduction)
    indices: Indices = np.floor(np.log2(ratios)).astype(np.intp)
    return indices


def sample_points(
    boxes: npt.NDArray[np.int64], size: int, shrunk: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns the coordinates of each crop's columns and rows in an image reduced by `shrunk`.

    Returns:
        x and y, each (n, size), in pixels whose centres have whole coordinates.
    """
    middles = (np.arange(size) + 0.5) / size
    sides = boxes[:, 2:] - boxes[:, :2]
    x, y = ((boxes[:, i, None] + sides[:, i, None] * middles) / shrunk - 0.5 for i in (0, 1))
    return x, y


def _groups(indices: Indices, max_size: int) -> Iterator[tuple[int, Indices]]:
    """Yields each value and the positions that have it, at most `max_size` at a time."""
    for index in np.unique(indices):
        positions = np.flatnonzero(indices == index)
        for start in range(0, len(positions), max_size):
            yield int(index), positions[start : start + max_size]
