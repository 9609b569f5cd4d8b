"""Synthetic images with known face boxes: portraits pasted at known sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

from model_handlers.pipeline.decode import Pixels

Boxes = npt.NDArray[np.float64]
_BACKGROUNDS = (
    "coffee",
    "chelsea",
    "rocket",
    "retina",
    "hubble_deep_field",
    "immunohistochemistry",
)


@dataclass(frozen=True, slots=True)
class Portrait:
    """An image of one face: uint8 (h, w, 3) and the face's box x1, y1, x2, y2 in it."""

    pixels: Pixels
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Scene:
    """An image and the boxes (n, 4) of all its faces."""

    name: str
    pixels: Pixels
    boxes: Boxes


def astronaut() -> Portrait:
    """Returns the head in NASA's portrait of Eileen Collins (public domain), and its box."""
    image: Pixels = skimage.data.astronaut()
    return Portrait(image[:256, 96:352].copy(), (78.0, 67.0, 171.0, 184.0))


def scenes(
    portraits: Sequence[Portrait], count: int, size: tuple[int, int] = (1280, 720), seed: int = 0
) -> Iterator[Scene]:
    """Yields scenes of one to six faces, with longer sides log-uniform from 40 to 400 px."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        faces = [portraits[i] for i in rng.integers(len(portraits), size=rng.integers(1, 7))]
        sides = np.exp(rng.uniform(np.log(40), np.log(400), size=len(faces)))
        yield _scene(f"scene {index}", faces, sides, size, rng)


def group(portraits: Sequence[Portrait], count: int, size: tuple[int, int]) -> Scene:
    """Returns `count` faces in a grid, with sides of 80 to 100 % of what fits their cells."""
    width, height = size
    columns = int(np.ceil(np.sqrt(count * width / height)))
    cell = min(width // columns, height // -(-count // columns))
    canvas = _background(0, size).copy()
    boxes = []
    for index in range(count):
        face = portraits[index % len(portraits)]
        if index % 2:
            face = _mirrored(face)
        largest = cell / max(face.pixels.shape[:2]) * max(_sides(face))
        side = largest * (0.8 + 0.2 * (index % 3) / 2)
        row, column = divmod(index, columns)
        boxes.append(_paste(canvas, face, side, column * cell, row * cell))
    return Scene(f"group of {count}", canvas, np.array(boxes))


def _scene(
    name: str,
    faces: Sequence[Portrait],
    sides: npt.NDArray[np.float64],
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Scene:
    width, height = size
    canvas = _background(int(rng.integers(len(_BACKGROUNDS))), size).copy()
    occupied: list[tuple[int, int, int, int]] = []
    boxes = []
    for face, side in zip(faces, sides, strict=True):
        scale = side / max(_sides(face))
        h, w = (round(edge * scale) for edge in face.pixels.shape[:2])
        if h >= height or w >= width:
            continue
        for _ in range(30):
            x, y = int(rng.integers(width - w)), int(rng.integers(height - h))
            box = (x, y, x + w, y + h)
            if all(_disjoint(box, other) for other in occupied):
                occupied.append(box)
                boxes.append(_paste(canvas, face, side, x, y))
                break
    return Scene(name, canvas, np.array(boxes).reshape(-1, 4))


def _paste(canvas: Pixels, face: Portrait, side: float, x: int, y: int) -> list[float]:
    """Pastes the portrait at (x, y) with its face `side` px long. Returns the face's box."""
    scale = side / max(_sides(face))
    h, w = (max(1, round(edge * scale)) for edge in face.pixels.shape[:2])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    canvas[y : y + h, x : x + w] = cv2.resize(face.pixels, (w, h), interpolation=interpolation)
    x1, y1, x2, y2 = (edge * scale for edge in face.box)
    return [x + x1, y + y1, x + x2, y + y2]


def _mirrored(face: Portrait) -> Portrait:
    x1, y1, x2, y2 = face.box
    width = face.pixels.shape[1]
    return Portrait(np.ascontiguousarray(face.pixels[:, ::-1]), (width - x2, y1, width - x1, y2))


def _sides(face: Portrait) -> tuple[float, float]:
    x1, y1, x2, y2 = face.box
    return x2 - x1, y2 - y1


def _disjoint(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@cache
def _background(index: int, size: tuple[int, int]) -> Pixels:
    """Returns an image without faces from scikit-image, resized to fill the scene."""
    image: Pixels = getattr(skimage.data, _BACKGROUNDS[index])()[..., :3]
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
