"""Canvases: faces of packs as squares of one size, ready to be copied to a GPU.

Decoding, cropping and the compressed copies (H.264, WebP) take CPU time only once, before training.
A folder of canvases contains one memory-mapped array per field.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_serving.training.data.codecs import h264
from deepfake_serving.training.sources.draw import surroundings
from deepfake_serving.training.sources.pack import Pack
from model_handlers.pipeline.crop import shrink
from model_handlers.pipeline.decode import Pixels

CANVAS = 288
"""Side in pixels; a face of 180 pixels and its surroundings fit."""

_COMPRESSED_SHARE = 0.4
_CHUNK = 256
_FIELDS = (
    *("pixels", "extents", "boxes", "points", "fake"),
    *("original", "identity", "compressed", "whole", "meshes"),
)


@dataclass(frozen=True, slots=True)
class Canvases:
    """The n faces of one pack, c of them with a compressed copy.

    Attributes:
        pixels: uint8 (n + c, CANVAS, CANVAS, 3), each image at the top left; the copies are last.
        extents: float32 (n, 2), width and height of each image, pixels.
        boxes: float32 (n, 4).
        points: float32 (n, 5, 2), eyes, nose and mouth corners.
        fake: bool (n,).
        original: int64 (n,), the index of a fake's real image, or -1.
        identity: int64 (n,), equal for images of one person.
        compressed: int64 (n,), the row of the compressed copy, or -1.
        whole: bool (n,), whether the whole image is generated.
        meshes: float32 (m, 468, 2), Face Mesh landmarks of some faces, in other units.
    """

    pixels: npt.NDArray[np.uint8]
    extents: npt.NDArray[np.float32]
    boxes: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]
    fake: npt.NDArray[np.bool_]
    original: npt.NDArray[np.int64]
    identity: npt.NDArray[np.int64]
    compressed: npt.NDArray[np.int64]
    whole: npt.NDArray[np.bool_]
    meshes: npt.NDArray[np.float32]

    @classmethod
    def read(cls, root: Path) -> Canvases:
        """Opens a folder; its arrays are memory-mapped."""
        return cls(*(np.load(root / f"{name}.npy", mmap_mode="r") for name in _FIELDS))


def write_canvases(pack: Path, out: Path, workers: int) -> int:
    """Writes the canvases of a pack and returns the number of its images."""
    source = Pack(pack)
    count = len(source)
    out.mkdir(parents=True, exist_ok=True)
    copies = [number for number in range(count) if _settings(source, number) is not None]
    compressed = np.full(count, -1, np.int64)
    compressed[copies] = count + np.arange(len(copies))
    fields: dict[str, npt.NDArray[Any]] = {
        "extents": np.zeros((count, 2), np.float32),
        "boxes": np.zeros((count, 4), np.float32),
        "points": np.zeros((count, 5, 2), np.float32),
        "fake": source.fake,
        "original": source.original,
        "identity": np.array([_hash(str(name)) for name in source.identity], np.int64),
        "whole": source.fake & source.whole,
        "meshes": source.meshes,
    }
    np.save(out / "compressed.npy", compressed)
    shape = (count + len(copies), CANVAS, CANVAS, 3)
    np.lib.format.open_memmap(out / "pixels.npy", "w+", np.uint8, shape).flush()
    chunks = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    # A fork of a process with threads of torch or OpenCV can hang.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for numbers, rows in zip(
            chunks, pool.map(_fill, [(pack, out, chunk) for chunk in chunks]), strict=True
        ):
            for name, values in zip(("extents", "boxes", "points"), rows, strict=True):
                fields[name][numbers.start : numbers.stop] = values
    for name, values in fields.items():
        np.save(out / f"{name}.npy", values)
    return count


def _fill(
    task: tuple[Path, Path, range],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Writes the pixels of some images; returns their extents, boxes and points."""
    root, out, numbers = task
    cv2.setNumThreads(1)
    pack = Pack(root)
    pixels = np.load(out / "pixels.npy", mmap_mode="r+")
    rows = np.load(out / "compressed.npy", mmap_mode="r")
    extents, boxes, points = [], [], []
    for number in numbers:
        image, box, five = _region(pack, number)
        height, width = image.shape[:2]
        pixels[number, :height, :width] = image
        if (settings := _settings(pack, number)) is not None:
            pixels[rows[number], :height, :width] = _compress(image, settings)
        extents.append((width, height))
        boxes.append(box)
        points.append(five)
    return np.array(extents, np.float32), np.array(boxes, np.float32), np.array(points, np.float32)


def _region(
    pack: Pack, number: int
) -> tuple[Pixels, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Returns a face with its surroundings, no larger than a canvas, its box and landmarks."""
    portrait = pack.portrait(number)
    image, cropped = surroundings(pack.pixels(number), portrait)
    shift = np.array(portrait.box[:2]) - np.array(cropped.box[:2])
    small = shrink(image, CANVAS / max(image.shape[:2]))
    scale = small.shape[1] / image.shape[1]
    box = np.array(cropped.box, np.float32) * np.float32(scale)
    five = (pack.five_points[number] - shift.astype(np.float32)) * np.float32(scale)
    return small[:CANVAS, :CANVAS], box, five.astype(np.float32)


def _settings(pack: Pack, number: int) -> tuple[str, int, int] | None:
    """Returns codec, quality and preceding frames of a compressed copy; None for most images.

    A fake has the settings of its original, so that compression does not separate the classes.
    """
    original = int(pack.original[number])
    key = f"{pack.source}/{original if original >= 0 else number}"
    rng = np.random.default_rng(_hash(key))
    if rng.random() >= _COMPRESSED_SHARE:
        return None
    if rng.random() < 0.8:
        return "h264", int(rng.integers(20, 43)), int(rng.integers(0, 3))
    return "webp", int(rng.integers(15, 85)), 0


def _compress(image: Pixels, settings: tuple[str, int, int]) -> Pixels:
    codec, quality, preceding = settings
    if codec == "h264":
        return h264(image, quality, preceding)
    _, data = cv2.imencode(".webp", image[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[:, :, ::-1]).astype(np.uint8)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
