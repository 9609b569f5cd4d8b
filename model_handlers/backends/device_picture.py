"""A picture in a GPU's memory: it travels there once, and all that MTCNN looks at is cut there.

What `pipeline.mipmap` does with OpenCV, by torch's operations: the same levels and coordinates,
without rounding to 8 bits between them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.mipmap import nearest_levels, sampled_at
from model_handlers.pipeline.pyramid import Layout


def on_device(images: Pixels, device: torch.device) -> Tensor:
    """Pictures to a device, from pinned memory where it is a GPU."""
    batch = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    return batch.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else batch


class DevicePicture:
    """Levels (1, 3, height, width) of one picture, each half of the one before; made lazily."""

    def __init__(self, image: Pixels, device: torch.device) -> None:
        """`image` is uint8 (height, width, 3)."""
        self.height, self.width = (int(side) for side in image.shape[:2])
        self._levels = [on_device(image, device).permute(2, 0, 1)[None].float()]

    @torch.inference_mode()
    def canvas(self, layout: Layout) -> Tensor:
        """As `graph.Picture.canvas`."""
        first = self._resized(layout.levels[0].width, layout.levels[0].height)
        canvas = first.new_zeros((1, 3, layout.height, layout.width))
        for level in layout.levels:
            shrunk = _by_area(first, level.width, level.height)
            even = (0, level.width % 2, 0, level.height % 2)
            padded = functional.pad(shrunk, even, mode="replicate")
            rows, columns = padded.shape[2:]
            canvas[..., level.top : level.top + rows, level.left : level.left + columns] = padded
        return canvas.round_().permute(0, 2, 3, 1)

    @torch.inference_mode()
    def cuts(self, boxes: npt.NDArray[np.int64], size: int) -> Tensor:
        """As `graph.Picture.cuts`."""
        indices = nearest_levels(boxes, size)
        copies = self._levels[0].new_empty((len(boxes), size, size, 3))
        for index in np.unique(indices):
            here = np.flatnonzero(indices == index)
            level, shrunk = self._level(int(index))
            across, down = (
                torch.from_numpy((2 * at + 1) / side - 1)  # -1 and 1 are the picture's edges
                for at, side in zip(
                    sampled_at(boxes[here], size, shrunk), level.shape[:1:-1], strict=True
                )
            )
            shape = len(here), size, size
            grid = torch.stack(
                [across[:, None, :].expand(shape), down[:, :, None].expand(shape)], dim=-1
            )
            grid = grid.reshape(1, -1, size, 2).to(level)
            found = functional.grid_sample(
                level, grid, mode="bilinear", padding_mode="border", align_corners=False
            )
            copies[here] = found[0].reshape(3, *shape).permute(1, 2, 3, 0)
        return copies.round_()

    def _resized(self, width: int, height: int) -> Tensor:
        """The whole picture at a size, from the smallest level that is not smaller."""
        ratio = min(self.width / width, self.height / height)
        level, _ = self._level(math.floor(math.log2(max(1.0, ratio))))
        return functional.interpolate(level, (height, width), mode="bilinear", align_corners=False)

    def _level(self, index: int) -> tuple[Tensor, int]:
        """The picture halved `index` times, or as often as it can be, and how many times smaller
        it then is."""
        while len(self._levels) <= index and min(self._levels[-1].shape[2:]) > 1:
            self._levels.append(functional.avg_pool2d(self._levels[-1], 2))
        index = min(index, len(self._levels) - 1)
        return self._levels[index], 2**index


def _by_area(image: Tensor, width: int, height: int) -> Tensor:
    """Makes (1, 3, h, w) smaller: each pixel is the mean of those that it covers."""
    rows, columns = (
        _coverage(before, after).to(image)
        for before, after in zip(image.shape[2:], (height, width), strict=True)
    )
    return rows @ image @ columns.T


def _coverage(before: int, after: int) -> Tensor:
    """(after, before): the share of each new pixel that an old one makes up."""
    step = before / after
    start = torch.arange(after, dtype=torch.float64)[:, None] * step
    old = torch.arange(before, dtype=torch.float64)
    return (torch.minimum(start + step, old + 1) - torch.maximum(start, old)).clamp(min=0) / step
