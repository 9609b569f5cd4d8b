"""The plot of how AUC falls, a panel for each kind of disturbance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from deepfake_serving.training.evaluate.bootstrap import Figure
from deepfake_serving.training.evaluate.robustness import Point

_TITLES = {
    "jpeg": "JPEG quality",
    "h264": "H.264 crf",
    "downscale": "scale of the picture",
    "blur": "blur, sigma in px",
    "noise": "noise, sigma in grey levels",
}


def plot_robustness(untouched: Figure, points: Sequence[Point], path: Path) -> None:
    """AUC over videos with 95 % intervals, mildest level first, beside the untouched videos'."""
    kinds = list(dict.fromkeys(point.kind for point in points))
    figure, axes = plt.subplots(
        1, len(kinds), figsize=(2.6 * len(kinds), 3.6), sharey=True, squeeze=False, layout="tight"
    )
    for axis, kind in zip(axes[0], kinds, strict=True):
        mine = [point for point in points if point.kind == kind]
        _panel(axis, kind, untouched, mine)
    # after all panels: a limit that is set once stops the shared axis from making room
    axes[0, 0].set(ylabel="AUC, videos", ylim=(None, 1.02))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(axis: Any, kind: str, untouched: Figure, points: Sequence[Point]) -> None:
    figures = [untouched, *(point.auc for point in points)]
    ticks = ["as is", *(f"{point.level:g}" for point in points)]
    values, low, high = (_numbers(figures, end) for end in ("value", "low", "high"))
    bars = np.nan_to_num(np.clip([values - low, high - values], 0, None))
    places = np.arange(len(figures))
    axis.errorbar(places, values, bars, fmt="o-", color="#333333", ecolor="#2c7fb8", capsize=3)
    if untouched.value is not None:
        axis.axhline(untouched.value, color="#2c7fb8", linestyle="--", linewidth=1)
    axis.axhline(0.5, color="#aaaaaa", linestyle=":", linewidth=1)
    axis.set_xticks(places, ticks)
    axis.set_title(_TITLES[kind], fontsize=10)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)


def _numbers(figures: Sequence[Figure], end: str) -> Any:
    return np.array([getattr(figure, end) for figure in figures], dtype=np.float64)
