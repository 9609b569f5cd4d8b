"""What a dashboard is made of; document.py makes Grafana's JSON of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Query:
    """PromQL, and the name of each of its series, `{{label}}`."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One picture. `thresholds` are (from this value on, color), the first color being green."""

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    kind: Literal["timeseries", "stat", "heatmap", "table"] = "timeseries"
    width: int = 8
    height: int = 7
    thresholds: Sequence[tuple[float, str]] = ()
    stacked: bool = False
    least: float | None = 0
    most: float | None = None


@dataclass(frozen=True)
class Variable:
    """A choice of several values of a label."""

    name: str
    label: str
    series: str
    values: str


@dataclass(frozen=True)
class Dashboard:
    """Rows of panels by title; `span` is how far back it looks at first."""

    uid: str
    title: str
    description: str
    rows: dict[str, Sequence[Panel]]
    variables: Sequence[Variable] = ()
    span: str = "6h"
