"""Plots images per second over faces and megapixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt


def plot_growth(throughput: Mapping[str, Sequence[tuple[float, float]]], path: Path) -> None:
    """Writes a PNG with one panel per axis, both scales logarithmic."""
    figure, axes = plt.subplots(
        1, len(throughput), figsize=(5 * len(throughput), 4), layout="constrained", squeeze=False
    )
    for axis, (name, points) in zip(axes[0], throughput.items(), strict=True):
        axis.plot(*zip(*points, strict=True), marker="o", color="#08519c")
        for x, y in points:
            axis.annotate(f"{y:.1f}", (x, y), textcoords="offset points", xytext=(5, 5), fontsize=9)
        axis.set(xscale="log", yscale="log", xlabel=name, ylabel="images / s")
        axis.grid(alpha=0.3, which="both")
        axis.margins(0.15)
    figure.savefig(path, dpi=110)
    plt.close(figure)
