"""The rows of `scores.csv`: one prediction for one face, from which every metric is computed."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

UNCORRUPTED = "as is"
"""The `variant` of uncorrupted faces."""


@dataclass(frozen=True, slots=True)
class Score:
    """The prediction for one face of one frame.

    Attributes:
        path: the media file, relative to the folder of media.
        identity: shared by a fake and its original.
        variant: the corruption applied before prediction (`jpeg 50`, ...), or `as is`.
        logit: output of the network before calibration; NaN if a server predicted.
        detail: high-frequency detail of the crop; NaN if a server predicted.
    """

    path: str
    fake: bool
    manipulation: str
    identity: str
    frame: int
    face_px: float
    variant: str
    logit: float
    probability: float
    detail: float


def write_scores(scores: Iterable[Score], path: Path) -> None:
    """Writes a CSV file with one line a face."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [f.name for f in fields(Score)])
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)


def read_scores(path: Path) -> list[Score]:
    """Reads a file that `write_scores` wrote.

    Raises:
        ValueError: a column is missing or a value is malformed.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    try:
        return [_score(row) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a file of scores: {error!r}") from error


def _score(row: Mapping[str, str]) -> Score:
    return Score(
        row["path"],
        row["fake"] == "True",
        row["manipulation"],
        row["identity"],
        int(row["frame"]),
        float(row["face_px"]),
        row["variant"],
        float(row["logit"]),
        float(row["probability"]),
        float(row["detail"]),
    )
