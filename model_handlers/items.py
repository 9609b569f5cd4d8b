"""Items and options of a request."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from deepfake_serving.contracts.problems import DeadlineExceeded
from model_handlers.given_faces import GivenFace

Item = bytes | npt.NDArray[Any]
"""An encoded image, or decoded pixels: uint8 (height, width, 3)."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of one item."""

    crops: bool = False
    follow: bool = False
    """Whether the items are frames of a video in their order, through which faces are followed."""
    request: int = 0
    """The position of the request in the worker's batch."""
    explain: bool = False
    """Whether faces get a heatmap."""
    full_precision: bool = False
    """Whether boxes and landmarks are returned as they were found, not rounded."""
    preview: bool = False
    """Whether the verdict has a copy of the image that every browser shows."""
    faces: tuple[GivenFace, ...] | None = None
    """The faces of the image; None: they are to be found."""
    face_px: float | None = None
    """Longer side of the face that a crop shows, in pixels of the image that it was cut from."""
    deadline: float | None = None
    """When the client no longer waits, seconds since the epoch."""

    def check_deadline(self) -> None:
        """
        Raises:
            DeadlineExceeded: the client no longer waits.
        """
        if self.deadline is not None and time.time() > self.deadline:
            raise DeadlineExceeded("the request's deadline passed before its next stage")
