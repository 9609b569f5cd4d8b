"""Attributes of the faces of development sets: skin tone, and columns of `SET/attributes.csv`.

root/SET/attributes.csv   columns: `file`, relative to SET, and any others (age, glasses, ...)
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from deepfake_serving.training.data.face_regions import face_regions
from deepfake_serving.training.development.sets import read_sets
from deepfake_serving.training.development.skin_tone import skin_tone
from model_handlers.pipeline.faces import FaceDetector

Attributes = Mapping[tuple[str, str], Mapping[str, str]]
"""Maps (set, file relative to the set) to group by attribute name."""

SKIN_TONE = "apparent skin tone"
FILE = "attributes.csv"


def read_attributes(
    root: Path, face_detector: FaceDetector, frames: int, cache: Path | None = None
) -> Attributes:
    """Reads the attributes of every file of every set; skin tone is that of the first face.

    Raises:
        ValueError: an attributes file has no column `file`.
    """
    found = {}
    for name, media in read_sets(root).items():
        columns = _columns(root / name / FILE)
        for file in media:
            path = file.path.relative_to(root / name).as_posix()
            attributes = dict(columns.get(path, {}))
            if regions := face_regions(file, frames, face_detector, cache):
                attributes[SKIN_TONE] = skin_tone(regions[0].pixels, regions[0].box)
            found[name, path] = attributes
    return found


def _columns(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    if rows and "file" not in rows[0]:
        raise ValueError(f"{path}: no column `file`")
    return {row.pop("file"): {name: v for name, v in row.items() if v} for row in rows}
