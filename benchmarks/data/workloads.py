"""The images that are sent to every system, all generated from one portrait."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data
from PIL import Image

from benchmarks.data.scenes import astronaut, group

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Workload:
    """A JPEG and the number of faces that each system must find."""

    name: str
    jpeg: bytes
    faces: int


def workloads() -> dict[str, Workload]:
    """Returns the workloads by name.

    `portrait` (512 x 512), `frame` (1280 x 720) and `photo` (3840 x 2160) show one face, `group`
    (1920 x 1080) shows twenty, `blank` (64 x 64) none. The portrait is
    NASA's of Eileen Collins, in the public domain.
    """
    portrait: Pixels = skimage.data.astronaut()
    photo = cv2.resize(_frame(portrait), (3840, 2160), interpolation=cv2.INTER_CUBIC)
    created = [
        Workload("portrait", _jpeg(portrait), 1),
        Workload("frame", _jpeg(_frame(portrait)), 1),
        Workload("photo", _jpeg(photo.astype(np.uint8)), 1),
        Workload("group", _jpeg(group([astronaut()], 20, (1920, 1080)).pixels), 20),
        Workload("blank", _jpeg(_blank()), 0),
    ]
    return {workload.name: workload for workload in created}


def growth() -> dict[str, list[tuple[float, bytes]]]:
    """Returns images by axis: number of faces at 1920 x 1080, and megapixels with one face."""
    faces = (1, 2, 5, 10, 20, 40)
    portrait: Pixels = skimage.data.astronaut()
    frame = _frame(portrait)
    widths = (640, 1280, 1920, 2560, 3840, 5120, 7680)
    return {
        "faces": [(n, _jpeg(group([astronaut()], n, (1920, 1080)).pixels)) for n in faces],
        "megapixels": [
            (
                round(w * w * 9 / 16 / 1e6, 2),
                _jpeg(cv2.resize(frame, (w, w * 9 // 16), interpolation=cv2.INTER_CUBIC)),
            )
            for w in widths
        ],
    }


def _frame(portrait: Pixels) -> Pixels:
    """Returns the portrait in front of its own enlarged lower half: an image without flat areas."""
    frame = cv2.resize(portrait[300:], (1280, 720), interpolation=cv2.INTER_CUBIC)
    frame[104:616, 384:896] = portrait
    return frame.astype(np.uint8)


def _blank() -> Pixels:
    slope = np.linspace(60, 180, 64).astype(np.uint8)
    return np.broadcast_to(slope[:, None, None], (64, 64, 3)).copy()


def _jpeg(pixels: npt.NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90)
    return stream.getvalue()
