"""The results of an evaluation, as `figures.json` and as `figures.csv` (one metric a line)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deepfake_serving.training.evaluate.aggregation import Level
from deepfake_serving.training.evaluate.breakdown import Subgroup
from deepfake_serving.training.evaluate.hard_examples import HardExample
from deepfake_serving.training.evaluate.metric_set import METRIC_NAMES
from deepfake_serving.training.evaluate.robustness import RobustnessPoint
from deepfake_serving.training.predict.scores import Score
from model_handlers.manifest import ThresholdsSpec

COLUMNS = (
    *("by", "name", "level", "figure", "value", "low", "high"),
    *("real", "fake", "identities", "unanswered"),
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that a report shows.

    Attributes:
        about: what was evaluated and how (model, weights, media, command), ready for JSON.
        reals, fakes: the hardest examples of each class.
    """

    about: dict[str, Any]
    thresholds: ThresholdsSpec
    scores: list[Score]
    subgroups: list[Subgroup]
    robustness: list[RobustnessPoint]
    reals: list[HardExample]
    fakes: list[HardExample]

    def overall(self, level: Level) -> Subgroup:
        """Returns the metrics over all scores at `level`."""
        return next(s for s in self.subgroups if s.by == "all" and s.level == level)


def write_json(evaluation: Evaluation, path: Path) -> None:
    """Writes all metrics with intervals and sizes; undefined ones are null."""
    content = {
        "about": evaluation.about,
        "figures": [asdict(subgroup) for subgroup in evaluation.subgroups],
        "robustness": [asdict(point) for point in evaluation.robustness],
    }
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_csv(evaluation: Evaluation, path: Path) -> None:
    """Writes one metric a line; undefined ones are empty."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for subgroup in evaluation.subgroups:
            writer.writerows(_subgroup_lines(subgroup))
        for point in evaluation.robustness:
            writer.writerows(_robustness_lines(point))


def _subgroup_lines(subgroup: Subgroup) -> Iterator[list[Any]]:
    metrics = subgroup.figures
    sizes = (metrics.real, metrics.fake, metrics.identities, metrics.unanswered)
    for name in METRIC_NAMES:
        estimate = metrics.figures[name]
        values = (estimate.value, estimate.low, estimate.high)
        yield [subgroup.by, subgroup.name, subgroup.level, name, *values, *sizes]


def _robustness_lines(point: RobustnessPoint) -> Iterator[list[Any]]:
    name = f"{point.kind} {point.level:g}"
    for metric, estimate in (("auc", point.auc), ("auc_drop", point.drop)):
        values = (estimate.value, estimate.low, estimate.high)
        yield ["robustness", name, "video", metric, *values, "", "", "", ""]
