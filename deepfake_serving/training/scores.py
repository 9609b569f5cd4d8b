"""What a judged face leaves behind: one row of `scores.csv`, from which every figure is made."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Score:
    """One face of one frame, judged once.

    `path` names the medium, relative to the folder of media; `identity` is shared by a fake and its
    original; `variant` is what was done to the pixels before judging (`as is`, `jpeg 50`, ...);
    `logit` is the network's answer before calibration, `detail` what the crop holds of it; both NaN
    where a server gave only the probability.
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
    """One line a face."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [f.name for f in fields(Score)])
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)


def read_scores(path: Path) -> list[Score]:
    """What `write_scores` wrote.

    Raises:
        ValueError: it is no such file.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        rows: Sequence[dict[str, str]] = list(csv.DictReader(stream))
    try:
        return [
            Score(
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
            for row in rows
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a file of scores: {error!r}") from error
