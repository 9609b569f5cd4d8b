"""Panels of a dashboard as matplotlib draws them, close enough to Grafana for a look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from scripts.dashboards.prometheus import Prometheus, Series

Panel = dict[str, Any]

_COLOURS = {
    "green": "#56a64b",
    "yellow": "#f2cc0c",
    "orange": "#ff780a",
    "red": "#e02f44",
    "text": "#7f8790",
}


def draw(axes: Axes, panel: Panel, prometheus: Prometheus) -> bool:
    """Draws one panel; returns whether any query had a result.

    Raises:
        RuntimeError: Prometheus refuses a query.
    """
    named = []
    for target in panel["targets"]:
        query = prometheus.instant if target["instant"] else prometheus.range
        found = query(target["expr"])
        named += [(each.name(target["legendFormat"]), each) for each in found]
    axes.set_title(panel["title"], fontsize=9, loc="left", fontweight="bold")
    if not named:
        axes.text(0.5, 0.5, "No data", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return False
    unit = panel["fieldConfig"]["defaults"]["unit"]
    _DRAWINGS[panel["type"]](axes, panel, named, unit)
    return True


def _draw_lines(axes: Axes, panel: Panel, named: list[tuple[str, Series]], unit: str) -> None:
    fixed = _fixed_colours(panel)
    colours = [
        fixed.get(name) or colormaps["tab20"](index % 20) for index, (name, _) in enumerate(named)
    ]
    labels = [name if each.values.any() else f"_{name}" for name, each in named]
    if panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal":
        times = np.unique(np.concatenate([each.minutes for _, each in named]))
        values = [np.interp(times, each.minutes, each.values, 0, 0) for _, each in named]
        axes.stackplot(times, values, labels=labels, colors=colours, alpha=0.7)
    else:
        for label, colour, (_, each) in zip(labels, colours, named, strict=True):
            axes.plot(each.minutes, each.values, label=label, color=colour, linewidth=1)
    axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=7)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _with_unit(value, unit)))
    if any(not each.startswith("_") for each in labels):
        axes.legend(fontsize=6, loc="upper left", ncols=2)


def _fixed_colours(panel: Panel) -> dict[str, str]:
    return {
        each["matcher"]["options"]: _COLOURS[each["properties"][0]["value"]["fixedColor"]]
        for each in panel["fieldConfig"]["overrides"]
    }


def _draw_values(axes: Axes, panel: Panel, named: list[tuple[str, Series]], unit: str) -> None:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    axes.set_axis_off()
    height = 1 / len(named)
    for index, (name, each) in enumerate(named):
        value = each.values[-1]
        colour = [step["color"] for step in steps if value >= (step["value"] or 0)] or ["green"]
        bottom = 1 - (index + 1) * height
        axes.axhspan(bottom, bottom + height, color=_COLOURS.get(colour[-1], colour[-1]), alpha=0.6)
        text = f"{name}  {_with_unit(value, unit)}"
        axes.text(0.5, bottom + height / 2, text, ha="center", va="center", fontsize=8)
    axes.set_ylim(0, 1)


def _draw_buckets(axes: Axes, _: Panel, named: list[tuple[str, Series]], __: str) -> None:
    buckets = sorted((each for _, each in named), key=lambda each: float(each.labels["le"]))
    times = buckets[-1].minutes
    totals = [np.interp(times, each.minutes, each.values, 0, 0) for each in buckets]
    counts = np.diff(np.vstack([np.zeros_like(times), *totals]), axis=0)
    axes.pcolormesh(times, np.arange(len(buckets)), counts, cmap="Oranges", shading="nearest")
    axes.set_yticks(np.arange(len(buckets)), [each.labels["le"] for each in buckets], fontsize=6)
    axes.tick_params(axis="x", labelsize=7)


def _draw_table(axes: Axes, _: Panel, named: list[tuple[str, Series]], __: str) -> None:
    columns = sorted(set().union(*(each.labels for _, each in named)))
    rows = [[each.labels.get(column, "")[:24] for column in columns] for _, each in named]
    axes.set_axis_off()
    table = axes.table(rows, colLabels=columns, loc="center")
    table.auto_set_font_size(False)
    table.set_fontsize(7)


_DRAWINGS: dict[str, Callable[[Axes, Panel, list[tuple[str, Series]], str], None]] = {
    "timeseries": _draw_lines,
    "stat": _draw_values,
    "heatmap": _draw_buckets,
    "table": _draw_table,
}


_SUFFIXES = {
    **{"s": " s", "reqps": " req/s", "cps": " /s", "cpm": " /min"},
    **{"percent": " %", "mbytes": " MiB", "celsius": " °C", "watt": " W"},
}


def _with_unit(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value:.3g}" if abs(value) > 1e6 else f"{100 * value:.3g} %"
    if unit == "hertz":
        return f"{value / 1e6:.4g} MHz"
    return f"{value:.4g}{_SUFFIXES.get(unit, '')}"
