"""High-pass kernels of the spatial rich model (SRM).

Fridrich & Kodovsky, "Rich Models for Steganalysis of Digital Images", IEEE TIFS 2012, in the choice
of Zhou et al., "Learning Rich Features for Image Manipulation Detection", CVPR 2018
(arXiv:1805.04953).
"""

from __future__ import annotations

from model_handlers.manifest import Kernel

_SECOND_ORDER = [
    [0, 0, 0, 0, 0],
    [0, -1, 2, -1, 0],
    [0, 2, -4, 2, 0],
    [0, -1, 2, -1, 0],
    [0, 0, 0, 0, 0],
]
_SQUARE = [
    [-1, 2, -2, 2, -1],
    [2, -6, 8, -6, 2],
    [-2, 8, -12, 8, -2],
    [2, -6, 8, -6, 2],
    [-1, 2, -2, 2, -1],
]
_LINE = [
    [0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0],
    [0, 1, -2, 1, 0],
    [0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0],
]

KERNELS: dict[Kernel, tuple[list[list[int]], int]] = {
    "second_order": (_SECOND_ORDER, 4),
    "square": (_SQUARE, 12),
    "line": (_LINE, 2),
}
"""Name → (5x5 kernel, divisor). The 3x3 ones are padded with zeros to 5x5."""
