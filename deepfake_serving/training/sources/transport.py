"""Splits packs into parts of limited size, with images cropped to what training needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from deepfake_serving.training.data.portraits import Portrait
from deepfake_serving.training.sources.draw import surroundings
from deepfake_serving.training.sources.pack import Example, Pack, write_pack
from model_handlers.pipeline.crop import shrink
from model_handlers.pipeline.decode import Pixels

_MAX_SIDE_PX = 288
_QUALITY = 90
_MAX_CROPPED_SHARE = 0.8


def split_pack(
    root: Path, out: Path, part_bytes: int, requality: tuple[int, int] | None = None
) -> int:
    """Writes the parts of a pack and returns their number; fakes stay with their originals.

    Args:
        part_bytes: maximum size of the images of a part.
        requality: range of the JPEG quality that is drawn for every image. If None, only cropped
            images are encoded again.
    """
    pack = Pack(root)
    parts = list(_parts(pack, part_bytes, requality))
    for number, examples in enumerate(parts):
        write_pack(examples, out / f"{root.name}-{number:02d}", pack.whole)
    return len(parts)


def _parts(
    pack: Pack, part_bytes: int, requality: tuple[int, int] | None
) -> Iterator[list[Example]]:
    rng = np.random.default_rng(0)
    part: list[Example] = []
    size = 0
    for numbers in _groups(pack, rng):
        group = [_crop(pack, number, rng, requality) for number in numbers]
        added = sum(len(example.data) for example in group)
        if part and size + added > part_bytes:
            yield part
            part, size = [], 0
        part, size = part + group, size + added
    yield part


def _groups(pack: Pack, rng: np.random.Generator) -> Iterator[list[int]]:
    """Yields groups of indices in random order: an original with its fakes, or a single image."""
    keys = np.where(pack.original >= 0, pack.original, np.arange(len(pack)))
    order = np.argsort(keys, kind="stable")
    _, starts = np.unique(keys[order], return_index=True)
    groups = np.split(order, starts[1:])
    for index in rng.permutation(len(groups)):
        yield sorted(groups[index].tolist(), key=lambda number: bool(pack.fake[number]))


def _crop(
    pack: Pack, number: int, rng: np.random.Generator, requality: tuple[int, int] | None
) -> Example:
    portrait, whole = pack.portrait(number), pack.pixels(number)
    if requality is not None:
        whole = _decode(_encode(whole, int(rng.integers(requality[0], requality[1] + 1))))
    image, cropped = surroundings(whole, portrait)
    small = shrink(image, _MAX_SIDE_PX / max(image.shape[:2]))
    if requality is None and small.size > _MAX_CROPPED_SHARE * whole.size:
        return _example(pack, number, pack.data(number), portrait, 1.0)
    data = _encode(small, _QUALITY)
    return _example(pack, number, data, cropped, small.shape[1] / image.shape[1])


def _example(pack: Pack, number: int, data: bytes, portrait: Portrait, scale: float) -> Example:
    x1, y1, x2, y2 = (edge * scale for edge in portrait.box)
    original = int(pack.original[number])
    return Example(
        *(pack.name(number), data, bool(pack.fake[number]), str(pack.identity[number])),
        *(pack.name(original) if original >= 0 else "", (x1, y1, x2, y2)),
        (portrait.points * np.float32(scale)).astype(np.float32),
    )


def _encode(image: Pixels, quality: int) -> bytes:
    _, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def _decode(data: bytes) -> Pixels:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.ascontiguousarray(image[:, :, ::-1]).astype(np.uint8)
