"""The faces of a training run in a GPU's memory, by pack."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from deepfake_serving.training.gpu.canvas import CANVAS, Canvases

Array = npt.NDArray[Any]
_PART = re.compile(r"-\d+$")
_COPY_ROWS = 2048


@dataclass(frozen=True, slots=True)
class Members:
    """The faces of one pack, as indices in the store.

    The fakes of `originals[i]` are `derived[starts[i] : starts[i] + counts[i]]`.
    """

    reals: Tensor
    fakes: Tensor
    originals: Tensor
    derived: Tensor
    starts: Tensor
    counts: Tensor


class FaceStore:
    """Faces by index: pixels, geometry and labels, as tensors on one device."""

    def __init__(self, folders: Mapping[str, Canvases], device: torch.device) -> None:
        """Copies canvases; the folders `NAME-0`, `NAME-1` … are parts of one pack NAME."""
        rows = sum(len(part.pixels) for part in folders.values())
        self.device = device
        self._pixels = torch.empty((rows, CANVAS, CANVAS, 3), dtype=torch.uint8, device=device)
        tables: dict[str, list[Array]] = {
            name: [] for name in ("extents", "boxes", "points", "fake", "identity", "whole")
        }
        plain, copies, originals, packs = [], [], [], []
        faces = row = 0
        for name, part in folders.items():
            self._copy(part.pixels, row)
            count = len(part.fake)
            plain.append(row + np.arange(count))
            copies.append(np.where(part.compressed >= 0, part.compressed + row, plain[-1]))
            originals.append(np.where(part.original >= 0, part.original + faces, -1))
            packs += [_PART.sub("", name)] * count
            for field, values in tables.items():
                values.append(np.asarray(getattr(part, field)))
            faces, row = faces + count, row + len(part.pixels)
        self._rows = torch.from_numpy(np.stack([np.concatenate(plain), np.concatenate(copies)]))
        self._rows = self._rows.to(device)
        fields = {
            field: torch.from_numpy(np.concatenate(values)).to(device)
            for field, values in tables.items()
        }
        self.extents = torch.cat([torch.zeros_like(fields["extents"]), fields["extents"]], 1)
        self.boxes, self.points = fields["boxes"], fields["points"]
        self.fake, self.identity, self.whole = (
            fields[field] for field in ("fake", "identity", "whole")
        )
        self.packs = _members(np.array(packs), np.concatenate(originals), fields["fake"])

    @classmethod
    def read(cls, root: Path, device: torch.device) -> FaceStore:
        """Copies all canvases below `root` to the device."""
        return cls({path.name: Canvases.read(path) for path in _folders(root)}, device)

    def __len__(self) -> int:
        return len(self.fake)

    def images(self, numbers: Tensor, compressed: Tensor) -> Tensor:
        """Returns float images (n, 3, CANVAS, CANVAS) in 0..255.

        Args:
            compressed: bool (n,), whether to use the compressed copy, if there is one.
        """
        rows = self._rows[compressed.long(), numbers]
        return self._pixels[rows].permute(0, 3, 1, 2).float()

    def _copy(self, pixels: Array, start: int) -> None:
        for first in range(0, len(pixels), _COPY_ROWS):
            chunk = torch.from_numpy(np.array(pixels[first : first + _COPY_ROWS]))
            self._pixels[start + first : start + first + len(chunk)] = chunk.to(self.device)


def read_meshes(root: Path) -> Array:
    """Returns all Face Mesh landmarks (m, 468, 2) of the canvases below `root`."""
    return np.concatenate([Canvases.read(path).meshes for path in _folders(root)])


def _folders(root: Path) -> list[Path]:
    folders = sorted(path.parent for path in root.glob("*/meshes.npy"))
    if not folders:
        raise FileNotFoundError(f"{root}: no canvases")
    return folders


def _members(
    packs: Array,
    original: Array,
    fake: Tensor,
) -> dict[str, Members]:
    fakes = fake.cpu().numpy()
    return {
        name: Members(*(torch.from_numpy(v).to(fake.device) for v in fields))
        for name, fields in _split(packs, original, fakes)
    }


def _split(
    packs: Array,
    original: Array,
    fake: Array,
) -> Iterable[tuple[str, list[Array]]]:
    for name in np.unique(packs):
        numbers = np.flatnonzero(packs == name)
        derived = numbers[original[numbers] >= 0]
        derived = derived[np.argsort(original[derived], kind="stable")]
        originals, starts, counts = np.unique(
            original[derived], return_index=True, return_counts=True
        )
        reals, fakes = numbers[~fake[numbers]], numbers[fake[numbers]]
        yield str(name), [reals, fakes, originals, derived, starts, counts]
