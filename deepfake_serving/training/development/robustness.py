"""Development sets under every corruption: AUC and reals called fake, per set."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from deepfake_serving.training.development.table import Row
from deepfake_serving.training.predict.corruptions import all_corruptions
from deepfake_serving.training.predict.scores import UNCORRUPTED

RECORDS = "robustness.csv"


@dataclass(frozen=True, slots=True)
class Point:
    """One set under one corruption; `level` is empty for uncorrupted faces."""

    set: str
    kind: str
    level: str
    auc: float | None
    called_fake: float | None


def points(rows: Sequence[Row]) -> list[Point]:
    """Converts table rows to points, uncorrupted first, then by kind and level."""
    kinds = {c.variant: (c.kind, f"{c.level:g}") for c in all_corruptions()}
    kinds = {UNCORRUPTED: (UNCORRUPTED, "")} | kinds
    found = {(row.variant, row.name): row for row in rows}
    names = dict.fromkeys(row.name for row in rows)
    return [
        Point(name, *kinds[variant], found[variant, name].auc, found[variant, name].called_fake)
        for variant in kinds
        for name in names
        if (variant, name) in found
    ]


def write_points(found: Sequence[Point], path: Path) -> None:
    """Writes a CSV file with one line per point."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [f.name for f in fields(Point)])
        writer.writeheader()
        writer.writerows(asdict(point) for point in found)


def read_points(path: Path) -> tuple[Point, ...]:
    """Reads a file that `write_points` wrote; empty if it is missing."""
    if not path.is_file():
        return ()
    with path.open(newline="", encoding="utf-8") as stream:
        return tuple(_points(csv.DictReader(stream)))


def _points(rows: Sequence[dict[str, str]] | csv.DictReader[str]) -> Iterator[Point]:
    for row in rows:
        auc, called_fake = (float(row[n]) if row[n] else None for n in ("auc", "called_fake"))
        yield Point(row["set"], row["kind"], row["level"], auc, called_fake)
