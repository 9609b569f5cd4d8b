"""The layout of an image pyramid on one canvas, for P-Net.

One forward pass over the canvas costs less than one pass per level, and far fewer shapes occur.
Levels begin at even coordinates, and those of odd size repeat their last row or column, so that the
network's 2x2 pooling never mixes two levels.
"""

from __future__ import annotations

from dataclasses import dataclass

CELL = 12
"""px; P-Net's window."""

_GRID = CELL / 20
"""Base scale. Every level's scale is this times a power of the factor, whatever the smallest face,
so that a detection near a threshold doesn't depend on the level that the pyramid began with."""

_UNLIMITED = 2**62
"""px; the canvas has no maximum height."""

_ALIGNMENT = 8
"""px; canvas sides are multiples of this, so that fewer shapes have to be compiled."""


@dataclass(frozen=True, slots=True)
class Level:
    """The position of a level on the canvas, and its scale: level pixels per image pixel."""

    left: int
    top: int
    width: int
    height: int
    scale: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The canvas of images of one size, and its levels, largest first."""

    width: int
    height: int
    levels: tuple[Level, ...]


def build_layout(width: int, height: int, min_face: float, factor: float) -> Layout:
    """Places each level in the first gap that is large enough: beside or below the ones before.

    Args:
        width, height: of the image, in pixels.
        min_face: px, of at least 20; at the first level such a face is `CELL` pixels wide or a
            little wider.
        factor: from one level's scale to the next one's.
    """
    levels: list[Level] = []
    free: list[tuple[int, int, int, int]] = []  # left, top, width, height; smallest first
    scale = _GRID
    while scale * factor >= CELL / min_face:
        scale *= factor
    while min(width, height) * scale >= CELL:
        w, h = int(width * scale + 1), int(height * scale + 1)
        wide, high = w + w % 2, h + h % 2
        if not levels:
            free = [(0, 0, wide, _UNLIMITED)]
        gap = next(i for i, (_, _, fw, fh) in enumerate(free) if fw >= wide and fh >= high)
        left, top, fw, fh = free.pop(gap)
        levels.append(Level(left, top, w, h, scale))
        beside = (left + wide, top, fw - wide, high)
        below = (left, top + high, fw, fh - high)
        free[gap:gap] = [beside, below]
        scale *= factor
    right = max((level.left + level.width for level in levels), default=0)
    bottom = max((level.top + level.height for level in levels), default=0)
    return Layout(_align(right), _align(bottom), tuple(levels))


def _align(side: int) -> int:
    return -(-side // _ALIGNMENT) * _ALIGNMENT
