"""The parts of a dashboard; document.py renders them as Grafana JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Query:
    """A PromQL expression and the legend of its series, `{{label}}`."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """A panel. `thresholds` are (value, color from there on); below the first it is green."""

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    kind: Literal["timeseries", "stat", "heatmap", "table"] = "timeseries"
    width: int = 8
    height: int = 7
    thresholds: Sequence[tuple[float, str]] = ()
    stacked: bool = False
    minimum: float | None = 0
    maximum: float | None = None


@dataclass(frozen=True)
class Variable:
    """A template variable: a multiple choice of values of a label."""

    name: str
    label: str
    series: str
    values: str


@dataclass(frozen=True)
class Dashboard:
    """Rows of panels by title; `span` is the initial time range."""

    uid: str
    title: str
    description: str
    rows: dict[str, Sequence[Panel]]
    variables: Sequence[Variable] = ()
    span: str = "6h"
