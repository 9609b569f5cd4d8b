"""The plot of AUC under corruption: a panel for each kind, a line for each development set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

from deepfake_serving.training.development.robustness import Point
from deepfake_serving.training.predict.corruptions import TITLES
from deepfake_serving.training.predict.scores import UNCORRUPTED


def plot_sets(points: Sequence[Point], path: Path) -> None:
    """Plots the sets that have an AUC, mildest level first, as a PNG file."""
    measured = [point for point in points if point.auc is not None]
    kinds = list(dict.fromkeys(p.kind for p in measured if p.kind != UNCORRUPTED))
    names = list(dict.fromkeys(point.set for point in measured))
    figure, axes = plt.subplots(
        1,
        len(kinds),
        figsize=(2.4 * len(kinds), 3.8),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, kind in zip(axes[0], kinds, strict=True):
        for number, name in enumerate(names):
            chosen = [p for p in measured if p.set == name and p.kind in (UNCORRUPTED, kind)]
            _plot_line(axis, name, chosen, f"C{number}")
        axis.set_title(TITLES[kind], fontsize=9)
    axes[0, 0].set(ylabel="AUC, faces", ylim=(0.4, 1.02))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(names), fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _plot_line(axis: Any, name: str, points: Sequence[Point], color: str) -> None:
    ticks = [point.level or UNCORRUPTED for point in points]
    values = [point.auc for point in points]
    axis.plot(range(len(values)), values, "o-", color=color, label=name, markersize=3, linewidth=1)
    axis.set_xticks(range(len(ticks)), ticks, fontsize=8)
    axis.axhline(0.5, color="#aaaaaa", linestyle=":", linewidth=1)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
