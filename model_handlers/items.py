"""What a request consists of, before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Item = bytes | npt.NDArray[Any]
"""One encoded picture, or one already decoded: uint8 (height, width, 3)."""


@dataclass(frozen=True, slots=True)
class Options:
    """What one request may ask for beyond the item itself."""

    crops: bool = False
