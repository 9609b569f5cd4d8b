"""A picture at all the scales that P-Net looks at, side by side on one canvas.

One run of a fully convolutional network over the canvas costs less than one over each level, and
far fewer shapes occur. Levels begin at even coordinates and odd ones repeat their last row or
column, so that the network's 2x2 pooling never mixes two of them.
"""

from __future__ import annotations

from dataclasses import dataclass

CELL = 12
"""px; P-Net's window."""

_GRID = CELL / 20
"""All levels' scales are this one times a power of the factor, whatever the smallest face is: what
is found at a scale, on the edge of a threshold as it may be, doesn't depend on where one began."""

_ENDLESS = 2**62
"""px; the canvas grows downwards as far as it must."""

_GRAIN = 8
"""Canvases' sides are multiples of this: the fewer shapes, the fewer are compiled."""


@dataclass(frozen=True, slots=True)
class Level:
    """Where a level lies on the canvas, and how many of its pixels are one of the picture's."""

    left: int
    top: int
    width: int
    height: int
    scale: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The levels of pictures of one size, the largest first, and the canvas that holds them."""

    width: int
    height: int
    levels: tuple[Level, ...]


def lay_out(width: int, height: int, min_face: float, factor: float) -> Layout:
    """Each level in the first gap that has room: beside or below the ones before.

    Args:
        width, height: of the picture, in pixels.
        min_face: px, of at least 20; at the first level such a face is `CELL` pixels wide or a
            little wider.
        factor: from one level's scale to the next one's.
    """
    levels: list[Level] = []
    free: list[tuple[int, int, int, int]] = []  # left, top, width, height: the small ones first
    scale = _GRID
    while scale * factor >= CELL / min_face:
        scale *= factor
    while min(width, height) * scale >= CELL:
        w, h = int(width * scale + 1), int(height * scale + 1)
        wide, high = w + w % 2, h + h % 2
        if not levels:
            free = [(0, 0, wide, _ENDLESS)]
        place = next(i for i, (_, _, fw, fh) in enumerate(free) if fw >= wide and fh >= high)
        left, top, fw, fh = free.pop(place)
        levels.append(Level(left, top, w, h, scale))
        beside = (left + wide, top, fw - wide, high)
        below = (left, top + high, fw, fh - high)
        free[place:place] = [beside, below]
        scale *= factor
    right = max((level.left + level.width for level in levels), default=0)
    bottom = max((level.top + level.height for level in levels), default=0)
    return Layout(_whole(right), _whole(bottom), tuple(levels))


def _whole(side: int) -> int:
    return -(-side // _GRAIN) * _GRAIN
