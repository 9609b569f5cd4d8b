"""The metrics of all development sets as one table, per set and variant."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.development.sets import SetScores
from deepfake_serving.training.evaluate.metrics import auc
from deepfake_serving.training.predict.scores import Score

Floats = npt.NDArray[np.float64]
RECORDS = "development.json"
_HEADS = {
    "auc": "AUC",
    "auc_all": "AUC against all reals",
    "called_fake": "reals called fake",
    "caught": "fakes called fake",
    "passed": "fakes called real",
}


@dataclass(frozen=True, slots=True)
class Row:
    """The metrics of one set and variant; None if undefined.

    Attributes:
        auc: the set's fakes against its own reals.
        auc_all: the set's fakes against the reals of all sets, with equal weights for all sets.
        called_fake: share of the set's reals above the upper threshold.
        caught: share of the set's fakes above the upper threshold.
        passed: share of the set's fakes below the lower threshold.
    """

    name: str
    variant: str
    reals: int
    fakes: int
    auc: float | None
    auc_all: float | None
    called_fake: float | None
    caught: float | None
    passed: float | None


def rows(sets: Sequence[SetScores], suspicious_from: float, fake_above: float) -> list[Row]:
    """Returns a row for each set and variant, in the order of the sets and their scores."""
    variants = dict.fromkeys(score.variant for scored in sets for score in scored.scores)
    table = []
    for variant in variants:
        by_set = {scored.name: _of_variant(scored.scores, variant) for scored in sets}
        reals = [_split(scores)[0] for scores in by_set.values()]
        for name, scores in by_set.items():
            table.append(_row(name, variant, scores, reals, suspicious_from, fake_above))
    return sorted(table, key=lambda row: [scored.name for scored in sets].index(row.name))


def as_markdown(table: Sequence[Row]) -> str:
    """Formats a table with one line per set, its variants side by side."""
    variants = list(dict.fromkeys(row.variant for row in table))
    head = ["set", "real / fake"]
    head += [f"{name} ({', '.join(variants)})" for name in _HEADS.values()]
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * len(head)) + " |"]
    for name in dict.fromkeys(row.name for row in table):
        of_set = [row for row in table if row.name == name]
        cells = [name, f"{of_set[0].reals} / {of_set[0].fakes}"]
        cells += [" · ".join(_number(getattr(row, field)) for row in of_set) for field in _HEADS]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def as_records(table: Sequence[Row]) -> list[dict[str, object]]:
    """Converts the rows to dictionaries for JSON."""
    return [asdict(row) for row in table]


def read_records(path: Path) -> tuple[Row, ...]:
    """Reads a JSON file of rows."""
    return tuple(Row(**record) for record in json.loads(path.read_text(encoding="utf-8")))


def _row(
    name: str,
    variant: str,
    scores: Sequence[Score],
    all_reals: Sequence[Floats],
    suspicious_from: float,
    fake_above: float,
) -> Row:
    reals, fakes = _split(scores)
    pooled = np.concatenate([r for r in all_reals if len(r)] or [np.zeros(0)])
    equal = [np.full(len(r), 1 / len(r)) for r in all_reals if len(r)]
    return Row(
        *(name, variant, len(reals), len(fakes)),
        _auc(reals, np.ones(len(reals)), fakes),
        _auc(pooled, np.concatenate(equal or [np.zeros(0)]), fakes),
        float((reals > fake_above).mean()) if len(reals) else None,
        float((fakes > fake_above).mean()) if len(fakes) else None,
        float((fakes < suspicious_from).mean()) if len(fakes) else None,
    )


def _of_variant(scores: Sequence[Score], variant: str) -> list[Score]:
    return [s for s in scores if s.variant == variant and np.isfinite(s.probability)]


def _split(scores: Sequence[Score]) -> tuple[Floats, Floats]:
    """Returns the probabilities of the real and of the fake faces."""
    by_label = ([s.probability for s in scores if s.fake == fake] for fake in (False, True))
    reals, fakes = (np.array(values, dtype=np.float64) for values in by_label)
    return reals, fakes


def _auc(reals: Floats, weights: Floats, fakes: Floats) -> float | None:
    if not len(reals) or not len(fakes):
        return None
    labels = np.repeat([False, True], [len(reals), len(fakes)])
    both = np.concatenate([weights, np.full(len(fakes), weights.sum() / len(fakes))])
    return float(auc(labels, np.concatenate([reals, fakes]), both[None])[0])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
