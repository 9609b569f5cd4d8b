"""Counts over a result's tables, read part by part so that memory doesn't grow with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from typing import Any

from deepfake_serving.cli.bulk.destination import Destination

BINS = 20
EXAMPLES = 24
_COLUMNS = ["path", "kind", "verdict", "fake_probability", "faces", "model", "problem"]


@dataclass(slots=True)
class Summary:
    """The files of a result. `bins` counts probabilities in equal intervals of [0, 1]."""

    files: int = 0
    faces: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    bins: list[int] = field(default_factory=lambda: [0] * BINS)
    highest: list[dict[str, Any]] = field(default_factory=list)
    disagreements: list[dict[str, Any]] = field(default_factory=list)
    """Faces that members of an ensemble disagree about most: `path`, `face`, `models`,
    `difference`."""


def summarise(destination: Destination) -> Summary:
    """Returns the counts of all files that are done."""
    summary = Summary()
    for row in _rows(destination):
        summary.files += 1
        summary.kinds[row["kind"]] += 1
        if row["problem"] is not None:
            summary.problems[row["problem"].rpartition(":")[2]] += 1
            continue
        summary.faces += row["faces"]
        summary.verdicts[row["verdict"]] += 1
        if row["fake_probability"] is not None:
            summary.bins[min(int(row["fake_probability"] * BINS), BINS - 1)] += 1
    summary.highest = _highest(destination)
    summary.disagreements = nlargest(
        EXAMPLES, _disagreements(destination), key=lambda row: float(row["difference"])
    )
    return summary


def _highest(destination: Destination) -> list[dict[str, Any]]:
    scored = (row for row in _rows(destination) if row["fake_probability"] is not None)
    return nlargest(EXAMPLES, scored, key=lambda row: float(row["fake_probability"]))


def _disagreements(destination: Destination) -> Iterator[dict[str, Any]]:
    """Yields the faces with scores of several members, and how far these are apart."""
    for table in destination.tables("faces", ["path", "face", "models"]):
        for row in table.to_pylist():
            scores = dict(row["models"] or ())
            if len(scores) > 1:
                difference = max(scores.values()) - min(scores.values())
                yield row | {"models": scores, "difference": difference}


def _rows(destination: Destination) -> Iterator[dict[str, Any]]:
    for table in destination.tables("files", _COLUMNS):
        yield from table.to_pylist()
