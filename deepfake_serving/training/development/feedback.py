"""Faces of exported feedback: labelled ones of images with several, cut out for evaluation.

The service itself decodes no image of an export, which come from strangers: this is done where the
export is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from model_handlers.images.jpeg.half_size import FACTOR
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode_image

_MARGIN = 2.0
"""The side of a cut image, in longer sides of the face's box."""


def cut_faces(folder: Path) -> tuple[int, int]:
    """Cuts the labelled faces of an unpacked export, `feedback/`, into its `real/` and `fake/`.

    A face is a PNG of the pixels around it, as far as the image reaches.

    Returns:
        The number of faces that were cut, and of labelled faces without an image.

    Raises:
        OSError, ValueError: it is no unpacked export.
    """
    cut = missing = 0
    for label in _labels(folder / "labels.jsonl"):
        image = _image(folder, label)
        if image is None:
            missing += 1
            continue
        name = f"{Path(label['file']).stem}-face-{int(label['face'])}.png"
        path = folder / _truth(label) / name
        path.parent.mkdir(exist_ok=True)
        pixels = _face(image, label["box"])
        path.write_bytes(cv2.imencode(".png", pixels[:, :, ::-1])[1].tobytes())
        cut += 1
    return cut, missing


def _labels(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the labels of single faces among several."""
    for line in path.read_text().splitlines():
        label = json.loads(line)
        several = str(label.get("file") or "").startswith("faces/")
        if label.get("face") is not None and (several or label.get("file") is None):
            yield label


def _image(folder: Path, label: dict[str, Any]) -> bytes | None:
    """Returns the image of a label; None if it was not kept, or the face has no box in pixels."""
    if label.get("file") is None or label.get("box") is None:
        return None
    path = folder / "faces" / Path(label["file"]).name
    return path.read_bytes() if path.is_file() else None


def _truth(label: dict[str, Any]) -> str:
    if label["label"] not in ("real", "fake"):
        raise ValueError(f"a label is real or fake, not {label['label']!r}")
    return str(label["label"])


def _face(data: bytes, box: list[float]) -> Pixels:
    image = decode_image(data, DecodeSpec())
    scale = 1 if image.full_size is None else FACTOR
    return _around(image.pixels, [value / scale for value in box])


def _around(pixels: Pixels, box: list[float]) -> Pixels:
    """Cuts a square around a box, as far as the image reaches."""
    x1, y1, x2, y2 = box
    half = _MARGIN * max(x2 - x1, y2 - y1) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    height, width = pixels.shape[:2]
    columns = slice(max(0, round(x - half)), min(width, round(x + half)))
    rows = slice(max(0, round(y - half)), min(height, round(y + half)))
    part = np.ascontiguousarray(pixels[rows, columns])
    if not part.size:
        raise ValueError(f"the face {box} is outside of its image")
    return part
