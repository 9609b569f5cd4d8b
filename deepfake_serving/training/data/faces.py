"""Folders of real portraits as training faces: where the face is, its landmarks, who it is."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode

Points = npt.NDArray[np.float32]
"""(468, 2) MediaPipe Face Mesh points or (5, 2): eyes, nose, mouth corners; x, y in pixels."""

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
_MESH_SCORE = 0.5


@dataclass(frozen=True, slots=True)
class Portrait:
    """A picture of one real face. `identity` is shared by all pictures of a person."""

    path: Path
    group: str
    identity: str
    box: tuple[float, float, float, float]
    points: Points

    def pixels(self) -> Pixels:
        """The decoded picture, uint8 RGB (height, width, 3)."""
        return decode(self.path.read_bytes(), DecodeSpec())


@dataclass(frozen=True, slots=True)
class Swap:
    """A real face with its surroundings, and the file of the same region after the swap."""

    portrait: Portrait
    fake: Path


@dataclass(frozen=True, slots=True)
class Located:
    """What a locator says of a picture: the face's box and its landmarks."""

    box: tuple[float, float, float, float]
    points: Points


Locator = Callable[[Pixels], Located | None]
"""Finds the largest face of a picture; None where there is none."""


def read_portraits(root: Path, locate: Locator, index: Path, identity: str = "") -> list[Portrait]:
    """Every picture below `root` that shows a face, sorted by path.

    Beside the pictures (in `root` or its parent) may lie `faces.csv` (columns `file` and, as far as
    known, `set`, `source`, `identity`) and `face_landmarks.npz` (`picture`, `points`, `score`: Face
    Mesh points, used where the score is above 0.5). What is missing is found by `locate`, once,
    and kept in `index`.

    Args:
        identity: a regular expression searched in a picture's `source` (or its path); its first
            group names the person. Pictures it doesn't match are each a person of their own.

    Raises:
        ValueError: there is no face below `root`.
    """
    base = root if (root / "faces.csv").exists() else root.parent
    rows = _rows(base / "faces.csv")
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in PICTURES)
    located = _locate_all(paths, root, locate, index)
    meshes = _meshes(base / "face_landmarks.npz")
    portraits = []
    for path in paths:
        if (found := located.get(path.relative_to(root).as_posix())) is None:
            continue
        name = path.relative_to(base).as_posix()
        row = rows.get(name, {})
        source = row.get("identity") or row.get("source") or name
        portraits.append(
            Portrait(
                path,
                row.get("set") or path.parent.name,
                _identity(source, identity),
                found.box,
                meshes.get(name, found.points),
            )
        )
    if not portraits:
        raise ValueError(f"{root}: no picture with a face")
    return portraits


def _identity(source: str, pattern: str) -> str:
    match = re.search(pattern, source) if pattern else None
    return match.group(1) if match else source


def split_by_identity(
    portraits: Sequence[Portrait], held_out: float, seed: int
) -> tuple[list[Portrait], list[Portrait]]:
    """Training and held-out portraits, without a person in both.

    A person's side follows from a hash of the identity and the seed, and so stays the same when
    pictures are added.
    """
    kept: tuple[list[Portrait], list[Portrait]] = ([], [])
    for portrait in portraits:
        digest = hashlib.sha256(f"{seed}:{portrait.identity}".encode()).digest()
        kept[int.from_bytes(digest[:4], "big") / 2**32 < held_out].append(portrait)
    return kept


def _rows(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        return {row["file"]: row for row in csv.DictReader(stream)}


def _meshes(path: Path) -> dict[str, Points]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as archive:
        rows = zip(archive["picture"], archive["points"], archive["score"], strict=True)
        return {
            str(name): points.astype(np.float32)
            for name, points, score in rows
            if score > _MESH_SCORE
        }


def _locate_all(
    paths: Iterable[Path], root: Path, locate: Locator, index: Path
) -> dict[str, Located]:
    """Located faces by relative path, from `index` if it knows exactly these pictures."""
    names = [path.relative_to(root).as_posix() for path in paths]
    state = [f"{name} {(root / name).stat().st_size}" for name in names]
    digest = hashlib.sha256("\n".join(state).encode()).hexdigest()
    file = index / f"faces-{digest[:16]}.npz"
    if not file.exists():
        found = {name: locate(_decoded(root / name)) for name in names}
        kept = {name: f for name, f in found.items() if f is not None}
        index.mkdir(parents=True, exist_ok=True)
        arrays = {f"points{i}": f.points for i, f in enumerate(kept.values())}
        arrays["names"] = np.array(list(kept))
        arrays["boxes"] = np.array([f.box for f in kept.values()], dtype=np.float32).reshape(-1, 4)
        np.savez(file, **arrays)  # type: ignore[arg-type]
    with np.load(file, allow_pickle=False) as archive:
        boxes = archive["boxes"].astype(float)
        return {
            str(name): Located((b[0], b[1], b[2], b[3]), archive[f"points{i}"])
            for i, (name, b) in enumerate(zip(archive["names"], boxes, strict=True))
        }


def _decoded(path: Path) -> Pixels:
    return decode(path.read_bytes(), DecodeSpec())


def moved(portrait: Portrait, left: float, top: float) -> Portrait:
    """The same portrait after the picture lost `left` and `top` pixels at those sides."""
    x1, y1, x2, y2 = portrait.box
    box = (x1 - left, y1 - top, x2 - left, y2 - top)
    shift = np.array([left, top], np.float32)
    return replace(portrait, box=box, points=portrait.points - shift)
