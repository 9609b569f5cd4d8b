"""Apparent skin tone of a face, from its pixels.

The individual typology angle (ITA, Chardon et al. 1991) of the cheeks, in the six groups of
Del Bino & Bernerd 2013 (doi:10.1111/bjd.12529). Lighting and white balance affect it: it
describes how a face looks in an image, not the skin of the person.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from model_handlers.pipeline.decode import Pixels

MONOCHROME, CAST = "monochrome", "colour cast"
GROUPS = ("very light", "light", "intermediate", "tan", "brown", "dark", MONOCHROME, CAST)
"""Groups from lightest to darkest; images without colour or with a blue cast have no angle."""

_LOWER_LIMITS = (55.0, 41.0, 28.0, 10.0, -30.0)
_CHEEKS = ((0.28, 0.62), (0.72, 0.62))
_HALF_SIDE = 0.06
_MIN_CHROMA, _MIN_YELLOW = 3.0, 4.0


def skin_tone(pixels: Pixels, box: Sequence[float]) -> str:
    """Returns the group of the cheeks' median colour.

    Args:
        pixels: uint8 RGB (h, w, 3).
        box: of the face, (x1, y1, x2, y2) in pixels.
    """
    lightness, a, b = np.median(_cheeks(pixels, box), axis=0).tolist()
    if math.hypot(a, b) < _MIN_CHROMA:
        return MONOCHROME
    if b < _MIN_YELLOW:
        return CAST
    angle = math.degrees(math.atan2(lightness - 50, b))
    number = next((n for n, limit in enumerate(_LOWER_LIMITS) if angle > limit), 5)
    return GROUPS[number]


def _cheeks(pixels: Pixels, box: Sequence[float]) -> npt.NDArray[np.float32]:
    """Returns CIELAB pixels (n, 3) of two squares below the eyes, else of the whole image."""
    scaled = pixels.astype(np.float32) / np.float32(255)
    lab = cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB).astype(np.float32)
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    squares = []
    for x, y in _CHEEKS:
        x1, x2 = (max(0, round(left + (x + side) * width)) for side in (-_HALF_SIDE, _HALF_SIDE))
        y1, y2 = (max(0, round(top + (y + side) * height)) for side in (-_HALF_SIDE, _HALF_SIDE))
        squares.append(lab[y1 : y2 + 1, x1 : x2 + 1].reshape(-1, 3))
    found = np.concatenate(squares)
    return found if len(found) else lab.reshape(-1, 3)
