"""The pictures that every system is asked about, all made of one photograph."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data
from PIL import Image

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Workload:
    """One JPEG and how many faces each system has to find on it."""

    name: str
    jpeg: bytes
    faces: int


def workloads() -> dict[str, Workload]:
    """`portrait` 512 x 512 and `frame` 1280 x 720 with one face each; `blank` 64 x 64 with none.

    The photograph is NASA's portrait of Eileen Collins, in the public domain.
    """
    portrait: Pixels = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    made = [
        Workload("portrait", _jpeg(portrait), 1),
        Workload("frame", _jpeg(_frame(portrait)), 1),
        Workload("blank", _jpeg(_blank()), 0),
    ]
    return {workload.name: workload for workload in made}


def _frame(portrait: Pixels) -> Pixels:
    """The portrait in the middle of its own lower half, enlarged: a picture without flat parts."""
    frame = cv2.resize(portrait[300:], (1280, 720), interpolation=cv2.INTER_CUBIC)
    frame[104:616, 384:896] = portrait
    return frame.astype(np.uint8)


def _blank() -> Pixels:
    slope = np.linspace(60, 180, 64).astype(np.uint8)
    return np.broadcast_to(slope[:, None, None], (64, 64, 3)).copy()


def _jpeg(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90)
    return stream.getvalue()
