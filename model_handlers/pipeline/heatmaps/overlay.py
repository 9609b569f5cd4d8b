"""The image of a heatmap: transparent, red and blue, to be laid over the crop."""

from __future__ import annotations

import io

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Grid = npt.NDArray[np.float32]

RAISES, LOWERS = (214, 39, 40), (31, 119, 180)
"""RGB of regions that raise and lower the score, distinct to colour-blind people too."""
ATTENDED = (123, 50, 148)
"""RGB of regions that a transformer attended to, whether they raised the score or lowered it."""
_NEUTRAL = 127
_MAX_OPACITY = 200
_FAST = 1
_TINY = 1e-12


def draw_overlay(grid: Grid, scale: float, size: int) -> bytes:
    """Draws a map over a crop of (size, size) pixels.

    Between the centres of cells values are interpolated linearly. The file has a palette, which
    takes a quarter of the time of four channels.

    Args:
        grid: contributions (rows, columns).
        scale: the contribution, positive or negative, with the highest opacity; beyond it, too.

    Returns:
        A PNG.
    """
    levels = _NEUTRAL + np.clip(grid / scale, -1, 1) * _NEUTRAL
    return _draw(levels, size, _PALETTE, _OPACITIES)


def draw_shares(grid: Grid, size: int) -> bytes:
    """Draws shares (rows, columns) over a crop of (size, size) pixels; the smallest is invisible.

    Returns:
        A PNG.
    """
    low, high = grid.min(), grid.max()
    levels = (grid - low) / max(high - low, _TINY) * (len(_LEVELS) - 1)
    return _draw(levels, size, _SHARES_PALETTE, _SHARES_OPACITIES)


def _draw(levels: Grid, size: int, palette: list[int], opacities: bytes) -> bytes:
    wide = cv2.resize(levels.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    image = Image.fromarray(np.rint(wide).astype(np.uint8), "P")
    image.putpalette(palette)
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=opacities, compress_level=_FAST)
    return stream.getvalue()


_LEVELS = range(2 * _NEUTRAL + 1)
_PALETTE = [c for level in _LEVELS for c in (RAISES if level > _NEUTRAL else LOWERS)]
_OPACITIES = bytes(abs(level - _NEUTRAL) * _MAX_OPACITY // _NEUTRAL for level in _LEVELS)
_SHARES_PALETTE = [c for _ in _LEVELS for c in ATTENDED]
_SHARES_OPACITIES = bytes(level * _MAX_OPACITY // (2 * _NEUTRAL) for level in _LEVELS)
