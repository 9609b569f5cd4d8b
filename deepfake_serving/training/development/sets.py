"""Development sets, one for each kind of fake or real, and their scores.

root/SET/real/**, root/SET/fake/**   a set may lack one of the two
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepfake_serving.training.data.images import check_folder
from deepfake_serving.training.data.media import VIDEO_SUFFIXES, MediaFile
from deepfake_serving.training.data.portraits import IMAGE_SUFFIXES
from deepfake_serving.training.predict.corruptions import Corruption
from deepfake_serving.training.predict.predict_media import predict_media
from deepfake_serving.training.predict.predictor import Predictor
from deepfake_serving.training.predict.scores import Score
from model_handlers.pipeline.faces import FaceDetector

VARIANTS = (Corruption("jpeg", 50), Corruption("downscale", 0.5), Corruption("h264", 28))
"""Corruptions after which every set is scored, in addition to unchanged files."""


@dataclass(frozen=True, slots=True)
class SetScores:
    """The scores of one set, and the number of its media without a detected face."""

    name: str
    scores: list[Score]
    faceless: int


def read_sets(root: Path) -> dict[str, list[MediaFile]]:
    """Lists the media of every set below `root`, by name of the set.

    Raises:
        ValueError: `root` contains no set.
    """
    check_folder(root)
    folders = sorted(p for p in root.iterdir() if p.is_dir())
    sets = {folder.name: _media(folder) for folder in folders}
    sets = {name: media for name, media in sets.items() if media}
    if not sets:
        raise ValueError(f"{root}: no folder with real/ or fake/")
    return sets


def score_sets(
    root: Path,
    predictor: Predictor,
    face_detector: FaceDetector,
    frames: int,
    cache: Path | None = None,
    variants: Sequence[Corruption] = VARIANTS,
    limit: int | None = None,
) -> list[SetScores]:
    """Scores the largest face of every image and frame, unchanged and after each corruption.

    Args:
        limit: maximum number of files of each set and label, spread over the set.
    """
    scored = []
    for name, media in read_sets(root).items():
        media = media if limit is None else _spread(media, limit)
        result = predict_media(
            media, root / name, lambda _: predictor, face_detector, frames, variants, cache
        )
        scored.append(SetScores(name, result.scores, len(result.without_face)))
    return scored


def _spread(media: Sequence[MediaFile], limit: int) -> list[MediaFile]:
    kept: list[MediaFile] = []
    for fake in (False, True):
        files = [file for file in media if file.fake == fake]
        step = max(1, -(-len(files) // limit))
        kept += files[::step]
    return kept


def _media(folder: Path) -> list[MediaFile]:
    known = IMAGE_SUFFIXES | VIDEO_SUFFIXES
    return [
        MediaFile(path, label == "fake", label, _identity(path))
        for label in ("real", "fake")
        for path in sorted((folder / label).rglob("*"))
        if path.suffix.lower() in known
    ]


def _identity(path: Path) -> str:
    """Returns the digits at the end of a clip's name, which link a fake to its original.

    For an image, returns its stem.
    """
    match = re.search(r"(\d+)\D*$", path.stem) if path.suffix.lower() in VIDEO_SUFFIXES else None
    return match.group(1) if match else path.stem
