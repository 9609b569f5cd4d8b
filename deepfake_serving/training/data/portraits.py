"""Folders of real portraits as training faces: face boxes, landmarks and identities."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.data.cache import write_arrays
from deepfake_serving.training.data.images import check_folder, read_image, readable
from model_handlers.pipeline.decode import Pixels

Points = npt.NDArray[np.float32]
"""(468, 2) MediaPipe Face Mesh points or (5, 2): eyes, nose, mouth corners; x, y in pixels."""

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_MIN_MESH_SCORE = 0.5


@dataclass(frozen=True, slots=True)
class Portrait:
    """An image of one real face. `identity` is shared by all images of a person."""

    path: Path
    group: str
    identity: str
    box: tuple[float, float, float, float]
    points: Points

    @property
    def face_px(self) -> float:
        """The longer side of the face box, pixels."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    def pixels(self) -> Pixels:
        """Decodes the image to uint8 RGB (height, width, 3)."""
        return read_image(self.path)


@dataclass(frozen=True, slots=True)
class Swap:
    """A real face with its surroundings, and the file of the same region after the swap."""

    portrait: Portrait
    fake: Path


@dataclass(frozen=True, slots=True)
class FaceLandmarks:
    """The box and landmarks of a detected face."""

    box: tuple[float, float, float, float]
    points: Points


LandmarkDetector = Callable[[Pixels], FaceLandmarks | None]
"""Detects the largest face of an image; None if there is none."""


def read_portraits(
    root: Path, detect: LandmarkDetector, index: Path, identity: str = ""
) -> list[Portrait]:
    """Returns every image below `root` that shows a face, sorted by path.

    Beside the images (in `root` or its parent) may be `faces.csv` (columns `file` and optionally
    `set`, `source`, `identity`) and `face_landmarks.npz` (`picture`, `points`, `score`: Face Mesh
    points, used if the score is above 0.5). Whatever is missing is detected once and kept in
    `index`.

    Args:
        identity: regular expression searched in an image's `source` (or its path); its first group
            is the identity. Each image without a match has its own identity.

    Raises:
        NotADirectoryError: there is no such folder.
        ValueError: no image below `root` shows a face, or `identity` is no expression with a group.
    """
    check_folder(root)
    _check_identity(identity)
    base = root if (root / "faces.csv").exists() else root.parent
    rows = _read_rows(base / "faces.csv")
    meshes = _read_meshes(base / "face_landmarks.npz")
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    detected = _detect_all(paths, root, detect, index)
    portraits = []
    for path in paths:
        if (face := detected.get(path.relative_to(root).as_posix())) is None:
            continue
        name = path.relative_to(base).as_posix()
        row = rows.get(name, {})
        source = row.get("identity") or row.get("source") or name
        group, person = row.get("set") or path.parent.name, _identity(source, identity)
        portraits.append(Portrait(path, group, person, face.box, meshes.get(name, face.points)))
    if not portraits:
        raise ValueError(f"{root}: no image with a face")
    return portraits


def _check_identity(pattern: str) -> None:
    """
    Raises:
        ValueError: the pattern is no regular expression, or has no group.
    """
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"identity {pattern!r} is no regular expression: {error}") from error
    if pattern and not groups:
        raise ValueError(f"identity {pattern!r} has no group: put the identity in parentheses")


def _identity(source: str, pattern: str) -> str:
    match = re.search(pattern, source) if pattern else None
    return match.group(1) if match else source


def split_by_identity(
    portraits: Sequence[Portrait], held_out: float, seed: int
) -> tuple[list[Portrait], list[Portrait]]:
    """Splits into training and held-out portraits; no identity is in both.

    The side of an identity follows from a hash of it and the seed, so it doesn't change when images
    are added.
    """
    split: tuple[list[Portrait], list[Portrait]] = ([], [])
    for portrait in portraits:
        digest = hashlib.sha256(f"{seed}:{portrait.identity}".encode()).digest()
        split[int.from_bytes(digest[:4], "big") / 2**32 < held_out].append(portrait)
    return split


def _read_rows(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        return {row["file"]: row for row in csv.DictReader(stream)}


def _read_meshes(path: Path) -> dict[str, Points]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as archive:
        rows = zip(archive["picture"], archive["points"], archive["score"], strict=True)
        return {
            str(name): points.astype(np.float32)
            for name, points, score in rows
            if score > _MIN_MESH_SCORE
        }


def _detect_all(
    paths: Sequence[Path], root: Path, detect: LandmarkDetector, index: Path
) -> dict[str, FaceLandmarks]:
    """Returns the faces by relative path, from `index` if it is of exactly these images."""
    names = [path.relative_to(root).as_posix() for path in paths]
    state = [f"{name} {(root / name).stat().st_size}" for name in names]
    digest = hashlib.sha256("\n".join(state).encode()).hexdigest()
    file = index / f"faces-{digest[:16]}.npz"
    if not file.exists():
        images = ((name, readable(root / name)) for name in names)
        found = {name: detect(pixels) for name, pixels in images if pixels is not None}
        _write_index(file, {name: face for name, face in found.items() if face is not None})
    return _read_index(file)


def _write_index(file: Path, faces: dict[str, FaceLandmarks]) -> None:
    arrays = {f"points{i}": face.points for i, face in enumerate(faces.values())}
    arrays["names"] = np.array(list(faces))
    arrays["boxes"] = np.array([f.box for f in faces.values()], dtype=np.float32).reshape(-1, 4)
    write_arrays(file, arrays)


def _read_index(file: Path) -> dict[str, FaceLandmarks]:
    with np.load(file, allow_pickle=False) as archive:
        boxes = archive["boxes"].astype(float)
        return {
            str(name): FaceLandmarks((b[0], b[1], b[2], b[3]), archive[f"points{i}"])
            for i, (name, b) in enumerate(zip(archive["names"], boxes, strict=True))
        }


def translate(portrait: Portrait, left: float, top: float) -> Portrait:
    """Returns the portrait in the coordinates of an image cropped by `left` and `top` pixels."""
    x1, y1, x2, y2 = portrait.box
    box = (x1 - left, y1 - top, x2 - left, y2 - top)
    shift = np.array([left, top], np.float32)
    return replace(portrait, box=box, points=portrait.points - shift)
