"""The section on corruptions of the development sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deepfake_serving.training.card.markdown import format_number, table
from deepfake_serving.training.development.robustness import Point

PLOT = "robustness.png"


def robustness_section(points: Sequence[Point]) -> Iterator[str]:
    """Yields a table with a row for each corruption and a column for each set, and the plot."""
    names = list(dict.fromkeys(point.set for point in points))
    found = {(point.kind, point.level, point.set): point for point in points}
    yield "### Robustness"
    yield (
        "AUC of a part of each set, then the share of its reals called fake (of sets without fakes "
        "that share alone)."
    )
    rows = [
        [f"{kind} {level}".strip(), *(_cell(found.get((kind, level, name))) for name in names)]
        for kind, level in dict.fromkeys((point.kind, point.level) for point in points)
    ]
    yield table(["corruption", *names], rows)
    yield f"![AUC of each set under each corruption]({PLOT})"


def _cell(point: Point | None) -> str:
    if point is None:
        return format_number(None)
    called_fake = format_number(point.called_fake)
    return called_fake if point.auc is None else f"{format_number(point.auc)} · {called_fake}"
