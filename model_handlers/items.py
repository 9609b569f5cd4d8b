"""Items and options of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Item = bytes | npt.NDArray[Any]
"""An encoded image, or decoded pixels: uint8 (height, width, 3)."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of one request."""

    crops: bool = False
