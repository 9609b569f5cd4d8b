"""Plots requests per second by clients, and latencies, with one column per workload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

from benchmarks.report.results import Results, Row
from benchmarks.systems.servers import ALL

_COLOURS = dict(
    zip(
        ALL,
        ("#9a9a9a", "#4d4d4d", "#9ecae1", "#4292c6", "#08519c", "#e6550d", "#fdae6b", "#756bb1"),
        strict=True,
    )
)
_MARKERS = dict(zip(ALL, "vsoD^XPd", strict=True))
_TITLES = {"portrait": "portrait, 512 x 512", "frame": "frame, 1280 x 720"}


def plot(results: Results, path: Path) -> None:
    """Writes a PNG."""
    workload_names = list(dict.fromkeys(row.workload for row in results.rows))
    clients = sorted({row.clients for row in results.rows})
    client_counts = (clients[0], clients[-1])
    figure, axes = plt.subplots(
        1 + len(client_counts),
        len(workload_names),
        figsize=(13, 14),
        layout="constrained",
        squeeze=False,
    )
    for column, workload in enumerate(workload_names):
        rows = [row for row in results.rows if row.workload == workload]
        _rates(axes[0, column], rows, clients)
        axes[0, column].set_title(_TITLES.get(workload, workload), fontweight="bold")
        for line, count in enumerate(client_counts, start=1):
            _latencies(axes[line, column], [row for row in rows if row.clients == count], count)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _rates(axis: Any, rows: Sequence[Row], clients: Sequence[int]) -> None:
    for system in ALL:
        of_system = [row for row in rows if row.system == system]
        axis.plot(
            [row.clients for row in of_system],
            [row.rps for row in of_system],
            color=_COLOURS[system],
            marker=_MARKERS[system],
            label=system,
        )
    axis.set(xlabel="clients", ylabel="requests / s", xticks=list(clients), ylim=(0, None))
    axis.grid(alpha=0.3)


def _latencies(axis: Any, rows: Sequence[Row], clients: int) -> None:
    """Draws p50 as a full bar and p99 as a pale one behind it, with their values."""
    for position, row in enumerate(rows):
        if row.p50_ms is None or row.p99_ms is None:
            continue
        axis.barh(position, row.p99_ms, height=0.72, color=_COLOURS[row.system], alpha=0.35)
        axis.barh(position, row.p50_ms, height=0.72, color=_COLOURS[row.system])
        axis.text(
            row.p99_ms, position, f"  {row.p50_ms:.0f} / {row.p99_ms:.0f}", va="center", fontsize=9
        )
    axis.set_yticks(range(len(rows)), [row.system for row in rows])
    axis.invert_yaxis()
    axis.set(xlabel="ms", xlim=(0, 1.25 * max(row.p99_ms or 0 for row in rows) or None))
    label = "1 client" if clients == 1 else f"{clients} clients"
    axis.set_title(f"p50 (full) / p99 (pale), {label}", fontsize=11)
    axis.set_axisbelow(True)
    axis.grid(axis="x", alpha=0.3)
