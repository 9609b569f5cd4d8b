"""The plot of AUC under corruption, with a panel for each kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from deepfake_serving.training.evaluate.bootstrap import Estimate
from deepfake_serving.training.evaluate.robustness import RobustnessPoint
from deepfake_serving.training.predict.corruptions import TITLES
from deepfake_serving.training.predict.scores import UNCORRUPTED


def plot_robustness(uncorrupted: Estimate, points: Sequence[RobustnessPoint], path: Path) -> None:
    """Plots AUC over videos with 95 % intervals, mildest level first."""
    kinds = list(dict.fromkeys(point.kind for point in points))
    figure, axes = plt.subplots(
        1, len(kinds), figsize=(2.6 * len(kinds), 3.6), sharey=True, squeeze=False, layout="tight"
    )
    for axis, kind in zip(axes[0], kinds, strict=True):
        _plot_panel(axis, kind, uncorrupted, [point for point in points if point.kind == kind])
    # After all panels: setting a limit turns off autoscaling of the shared axis.
    axes[0, 0].set(ylabel="AUC, videos", ylim=(None, 1.02))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _plot_panel(
    axis: Any, kind: str, uncorrupted: Estimate, points: Sequence[RobustnessPoint]
) -> None:
    estimates = [uncorrupted, *(point.auc for point in points)]
    ticks = [UNCORRUPTED, *(f"{point.level:g}" for point in points)]
    values, low, high = (_column(estimates, name) for name in ("value", "low", "high"))
    bars = np.nan_to_num(np.clip([values - low, high - values], 0, None))
    positions = np.arange(len(estimates))
    axis.errorbar(positions, values, bars, fmt="o-", color="#333333", ecolor="#2c7fb8", capsize=3)
    if uncorrupted.value is not None:
        axis.axhline(uncorrupted.value, color="#2c7fb8", linestyle="--", linewidth=1)
    axis.axhline(0.5, color="#aaaaaa", linestyle=":", linewidth=1)
    axis.set_xticks(positions, ticks)
    axis.set_title(TITLES[kind], fontsize=10)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)


def _column(estimates: Sequence[Estimate], name: str) -> Any:
    return np.array([getattr(estimate, name) for estimate in estimates], dtype=np.float64)
