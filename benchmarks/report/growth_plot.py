"""Pictures a second over what grows: a cliff would be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt


def plot_growth(grown: Mapping[str, Sequence[tuple[float, float]]], path: Path) -> None:
    """Writes a PNG, a panel an axis; both scales logarithmic."""
    figure, axes = plt.subplots(
        1, len(grown), figsize=(5 * len(grown), 4), layout="constrained", squeeze=False
    )
    for axis, (name, points) in zip(axes[0], grown.items(), strict=True):
        axis.plot(*zip(*points, strict=True), marker="o", color="#08519c")
        for x, y in points:
            axis.annotate(f"{y:.1f}", (x, y), textcoords="offset points", xytext=(5, 5), fontsize=9)
        axis.set(xscale="log", yscale="log", xlabel=name, ylabel="pictures / s")
        axis.grid(alpha=0.3, which="both")
        axis.margins(0.15)
    figure.savefig(path, dpi=110)
    plt.close(figure)
