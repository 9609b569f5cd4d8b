"""An evaluation as data: `figures.json`, and `figures.csv` with a line for each figure."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deepfake_serving.training.evaluate.breakdown import Part
from deepfake_serving.training.evaluate.figures import NAMES
from deepfake_serving.training.evaluate.levels import Level
from deepfake_serving.training.evaluate.mistakes import Mistake
from deepfake_serving.training.evaluate.robustness import Point
from deepfake_serving.training.scores import Score

COLUMNS = (
    *("by", "name", "level", "figure", "value", "low", "high"),
    *("real", "fake", "identities", "unanswered"),
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that a report shows.

    `about` says what was judged and how (model, weights, material, command), ready for JSON.
    """

    about: dict[str, Any]
    scores: list[Score]
    parts: list[Part]
    robustness: list[Point]
    reals: list[Mistake]
    fakes: list[Mistake]

    def whole(self, level: Level) -> Part:
        """The part that holds everything, at `level`."""
        return next(p for p in self.parts if p.by == "all" and p.level == level)


def write_json(evaluation: Evaluation, path: Path) -> None:
    """All figures with intervals and sizes; null where one is undefined."""
    content = {
        "about": evaluation.about,
        "figures": [asdict(part) for part in evaluation.parts],
        "robustness": [asdict(point) for point in evaluation.robustness],
    }
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_csv(evaluation: Evaluation, path: Path) -> None:
    """One line a figure; empty where one is undefined."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for part in evaluation.parts:
            writer.writerows(_lines(part))
        for point in evaluation.robustness:
            name = f"{point.kind} {point.level:g}"
            for figure, found in (("auc", point.auc), ("auc_drop", point.drop)):
                ends = (found.value, found.low, found.high)
                writer.writerow(["robustness", name, "video", figure, *ends, "", "", "", ""])


def _lines(part: Part) -> Iterator[list[Any]]:
    found = part.figures
    sizes = (found.real, found.fake, found.identities, found.unanswered)
    for name in NAMES:
        figure = found.figures[name]
        ends = (figure.value, figure.low, figure.high)
        yield [part.by, part.name, part.level, name, *ends, *sizes]
