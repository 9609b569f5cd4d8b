"""Packs: the encoded images of a source in a few large files, with boxes, landmarks and labels.

A pack is a folder with files `shard-NNN.bin` of at most 40 MiB, which hold concatenated images, and
`index.npz` with their offsets. Shards are memory-mapped, so the processes of a training run share
one copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.data.masks import five_points
from deepfake_serving.training.data.portraits import Points, Portrait
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode

SHARD_BYTES = 40 * 2**20
INDEX = "index.npz"
_IDENTIFYING = ("names", "fake", "identity", "place")
_ARRAYS = {*_IDENTIFYING, "original", "boxes", "points", "mesh", "meshes", "whole"}


@dataclass(frozen=True, slots=True)
class Example:
    """One face: the encoded image, its label and identity, and the face's box and landmarks.

    `original` names the real image that a fake was made from; empty if unknown.
    """

    name: str
    data: bytes
    fake: bool
    identity: str
    original: str
    box: tuple[float, float, float, float]
    points: Points


class Pack:
    """The examples of one source, by index.

    Raises:
        ValueError: the pack is of another version.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.source = root, root.name
        with np.load(root / INDEX, allow_pickle=False) as index:
            self._index = {name: index[name] for name in index.files}
        if lacking := _ARRAYS - self._index.keys():
            raise ValueError(f"{root}: of another version, without {min(lacking)}; pack it again")
        self.fake: npt.NDArray[np.bool_] = self._index["fake"]
        self.original: npt.NDArray[np.int64] = self._index["original"]
        self.identity: npt.NDArray[np.str_] = self._index["identity"]
        self.whole = bool(self._index["whole"])
        self._shards: dict[int, npt.NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return len(self.fake)

    @property
    def digest(self) -> str:
        """A digest of the names, labels and places of the images."""
        parts = (self.source.encode(), *(self._index[name].tobytes() for name in _IDENTIFYING))
        return hashlib.sha256(b"".join(parts)).hexdigest()

    def data(self, number: int) -> bytes:
        """Returns the encoded image."""
        shard, start, size = (int(v) for v in self._index["place"][number])
        if shard not in self._shards:
            self._shards[shard] = np.memmap(_shard(self.root, shard), np.uint8, "r")
        return self._shards[shard][start : start + size].tobytes()

    def pixels(self, number: int) -> Pixels:
        """Returns the decoded image, uint8 RGB (height, width, 3)."""
        return decode(self.data(number), DecodeSpec())

    def name(self, number: int) -> str:
        """Returns the name that `original` of its fakes refers to."""
        return str(self._index["names"][number])

    def portrait(self, number: int) -> Portrait:
        """Returns box and landmarks: Face Mesh points if the pack has them, else five points."""
        x1, y1, x2, y2 = (float(v) for v in self._index["boxes"][number])
        mesh = int(self._index["mesh"][number])
        points = self._index["meshes"][mesh] if mesh >= 0 else self._index["points"][number]
        name = Path(str(self._index["names"][number]))
        return Portrait(name, self.source, str(self.identity[number]), (x1, y1, x2, y2), points)

    @property
    def five_points(self) -> npt.NDArray[np.float32]:
        """(n, 5, 2): eyes, nose and mouth corners of every face."""
        five: npt.NDArray[np.float32] = self._index["points"]
        return five

    @property
    def meshes(self) -> npt.NDArray[np.float32]:
        """(m, 468, 2): Face Mesh points of the faces that have them."""
        meshes: npt.NDArray[np.float32] = self._index["meshes"]
        return meshes


def write_pack(examples: Iterable[Example], root: Path, whole: bool = False) -> int:
    """Writes a pack, the index last, so that an interrupted pack can't be read.

    Args:
        whole: whether the fakes are generated as whole images, not pasted into real ones.

    Returns:
        The number of examples.

    Raises:
        ValueError: there are no examples.
    """
    rows: list[_Row] = []
    with closing(_Shards(root)) as shards:
        for example in examples:
            shards.write(example.data)
            rows.append(_Row.of(example))
    if not rows:
        raise ValueError(f"{root}: nothing to pack")
    arrays = _arrays(rows) | {
        "place": np.array(shards.positions, np.int64),
        "whole": np.array(whole),
    }
    np.savez_compressed(root / INDEX, **arrays)  # type: ignore[arg-type]
    return len(rows)


class _Shards:
    """Writes images into shards and begins a new shard when the next image does not fit."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        (root / INDEX).unlink(missing_ok=True)
        self.root, self.positions = root, list[tuple[int, int, int]]()
        self._shard = self._position = 0
        self._stream = _shard(root, 0).open("wb")

    def write(self, data: bytes) -> None:
        if self._position and self._position + len(data) > SHARD_BYTES:
            self.close()
            self._shard, self._position = self._shard + 1, 0
            self._stream = _shard(self.root, self._shard).open("wb")
        self._stream.write(data)
        self.positions.append((self._shard, self._position, len(data)))
        self._position += len(data)

    def close(self) -> None:
        self._stream.close()


@dataclass(frozen=True, slots=True)
class _Row:
    """The index entry of an example: everything but its image."""

    name: str
    fake: bool
    identity: str
    original: str
    box: tuple[float, float, float, float]
    points: Points

    @classmethod
    def of(cls, example: Example) -> _Row:
        return cls(
            *(example.name, example.fake, example.identity),
            *(example.original, example.box, example.points),
        )


def _arrays(rows: Sequence[_Row]) -> dict[str, npt.NDArray[Any]]:
    numbers = {row.name: number for number, row in enumerate(rows)}
    has_mesh = [len(row.points) == 468 for row in rows]
    meshes = [row.points for row in rows if len(row.points) == 468]
    return {
        "names": np.array([row.name for row in rows]),
        "fake": np.array([row.fake for row in rows], bool),
        "identity": np.array([row.identity for row in rows]),
        "original": np.array([numbers.get(row.original, -1) for row in rows], np.int64),
        "boxes": np.array([row.box for row in rows], np.float32),
        "points": np.stack([five_points(row.points) for row in rows]).astype(np.float32),
        "mesh": np.where(has_mesh, np.cumsum(has_mesh) - 1, -1),
        "meshes": np.array(meshes, np.float32).reshape(-1, 468, 2),
    }


def _shard(root: Path, number: int) -> Path:
    return root / f"shard-{number:03d}.bin"
