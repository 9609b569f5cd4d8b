"""Image pyramids in GPU memory: an image is uploaded once, and MTCNN's crops are sampled there.

The same levels and coordinates as `pipeline.mipmap`, by torch instead of OpenCV, and without
rounding to 8 bits in between.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detection.mipmap import nearest_levels, sample_points
from model_handlers.pipeline.detection.pyramid import Layout


def on_device(images: Pixels, device: torch.device) -> Tensor:
    """Copies images to a device, through pinned memory if it is a GPU."""
    batch = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    return batch.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else batch


class DeviceImage:
    """Levels (1, 3, height, width) of one image, each half the one before; built lazily."""

    def __init__(self, image: Pixels, device: torch.device) -> None:
        """`image` is uint8 (height, width, 3)."""
        self.height, self.width = (int(side) for side in image.shape[:2])
        self._levels = [on_device(image, device).permute(2, 0, 1)[None].float()]

    @torch.inference_mode()
    def canvas(self, layout: Layout) -> Tensor:
        """Implements `graph.PreparedImage.canvas`."""
        first = self._resized(layout.levels[0].width, layout.levels[0].height)
        canvas = first.new_zeros((1, 3, layout.height, layout.width))
        for level in layout.levels:
            shrunk = _resize_area(first, level.width, level.height)
            even = (0, level.width % 2, 0, level.height % 2)
            padded = functional.pad(shrunk, even, mode="replicate")
            rows, columns = padded.shape[2:]
            canvas[..., level.top : level.top + rows, level.left : level.left + columns] = padded
        return canvas.round_().permute(0, 2, 3, 1)

    @torch.inference_mode()
    def crops(self, boxes: npt.NDArray[np.int64], size: int) -> Tensor:
        """Implements `graph.PreparedImage.crops`."""
        indices = nearest_levels(boxes, size)
        crops = self._levels[0].new_empty((len(boxes), size, size, 3))
        for index in np.unique(indices):
            here = np.flatnonzero(indices == index)
            level, shrunk = self._level(int(index))
            across, down = (
                torch.from_numpy((2 * at + 1) / side - 1)  # -1 and 1 are the image's edges
                for at, side in zip(
                    sample_points(boxes[here], size, shrunk), level.shape[:1:-1], strict=True
                )
            )
            shape = len(here), size, size
            grid = torch.stack(
                [across[:, None, :].expand(shape), down[:, :, None].expand(shape)], dim=-1
            )
            grid = grid.reshape(1, -1, size, 2).to(level)
            sampled = functional.grid_sample(
                level, grid, mode="bilinear", padding_mode="border", align_corners=False
            )
            crops[here] = sampled[0].reshape(3, *shape).permute(1, 2, 3, 0)
        return crops.round_()

    def _resized(self, width: int, height: int) -> Tensor:
        """Resizes the whole image, from the smallest level that is at least that large."""
        ratio = min(self.width / width, self.height / height)
        level, _ = self._level(math.floor(math.log2(max(1.0, ratio))))
        return functional.interpolate(level, (height, width), mode="bilinear", align_corners=False)

    def _level(self, index: int) -> tuple[Tensor, int]:
        """Returns the image halved up to `index` times, and its reduction factor."""
        while len(self._levels) <= index and min(self._levels[-1].shape[2:]) > 1:
            self._levels.append(functional.avg_pool2d(self._levels[-1], 2))
        index = min(index, len(self._levels) - 1)
        return self._levels[index], 2**index


def _resize_area(image: Tensor, width: int, height: int) -> Tensor:
    """Shrinks (1, 3, h, w) to (1, 3, height, width): each pixel is the mean of its area."""
    rows, columns = (
        _coverage(before, after).to(image)
        for before, after in zip(image.shape[2:], (height, width), strict=True)
    )
    return rows @ image @ columns.T


def _coverage(before: int, after: int) -> Tensor:
    """Returns (after, before) weights: the share of each old pixel in each new one."""
    step = before / after
    start = torch.arange(after, dtype=torch.float64)[:, None] * step
    old = torch.arange(before, dtype=torch.float64)
    return (torch.minimum(start + step, old + 1) - torch.maximum(start, old)).clamp(min=0) / step
