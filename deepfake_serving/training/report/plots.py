"""The plots of an evaluation, as PNG. Bands and bars are 95 % intervals over identities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from deepfake_serving.training.evaluate.aggregation import AggregatedScores
from deepfake_serving.training.evaluate.curves import Curve, precision_recall, reliability, roc
from deepfake_serving.training.evaluate.metric_set import MetricSet
from deepfake_serving.training.report.formatting import format_estimate
from model_handlers.manifest import ThresholdsSpec

REAL, FAKE, INK = "#2c7fb8", "#d95f0e", "#333333"
_UNITS_PER_BIN, _MAX_BINS = 8, 10


def plot_roc(units: AggregatedScores, metrics: MetricSet, path: Path) -> None:
    """Plots the ROC curve of videos; needs both classes."""
    figure, axis = _square(f"ROC, videos: AUC {format_estimate(metrics.figures['auc'])}")
    axis.plot([0, 1], [0, 1], color="#aaaaaa", linestyle=":", label="chance")
    curve = roc(units)
    _draw(axis, curve)
    axis.plot([0, 0], [0, curve.y[0]], color=INK)
    confusion = metrics.confusion
    fpr = confusion["fp"] / max(1, metrics.real)
    tpr = confusion["tp"] / max(1, metrics.fake)
    axis.plot(fpr, tpr, "o", color=FAKE, label="at the threshold for fake", zorder=5)
    axis.set(xlabel="false positive rate", ylabel="true positive rate")
    axis.legend(loc="lower right")
    _save(figure, path)


def plot_precision_recall(units: AggregatedScores, path: Path) -> None:
    """Plots precision over recall of videos; needs both classes."""
    share = float(units.labels.mean())
    figure, axis = _square(f"Precision and recall, videos ({share:.0%} of them fake)")
    axis.axhline(share, color="#aaaaaa", linestyle=":", label="chance")
    _draw(axis, precision_recall(units))
    axis.set(xlabel="recall", ylabel="precision")
    axis.legend(loc="lower left")
    _save(figure, path)


def plot_reliability(units: AggregatedScores, metrics: MetricSet, path: Path) -> None:
    """Plots the observed frequency of fakes over the predicted probability of faces."""
    bins = int(np.clip(len(units.labels) // _UNITS_PER_BIN, 2, _MAX_BINS))
    result = reliability(units, bins)
    curve = result.curve
    figure, axis = _square(f"Reliability, faces: ECE {format_estimate(metrics.figures['ece'])}")
    axis.plot([0, 1], [0, 1], color="#aaaaaa", linestyle=":", label="perfect")
    bars = np.clip([curve.y - curve.low, curve.high - curve.y], 0, None)
    axis.errorbar(curve.x, curve.y, bars, fmt="o-", color=INK, capsize=3, label="observed")
    axis.set(xlabel="mean probability of the bin", ylabel="share of fakes in the bin")
    smallest, largest = int(result.counts.min()), int(result.counts.max())
    axis.legend(loc="upper left", title=f"{smallest} to {largest} faces a bin")
    _save(figure, path)


def plot_distributions(units: AggregatedScores, thresholds: ThresholdsSpec, path: Path) -> None:
    """Plots histograms of the videos' probabilities: reals above, fakes below."""
    figure, axes = plt.subplots(2, 1, figsize=(7, 5), sharex=True, sharey=True, layout="tight")
    edges = np.linspace(0, 1, 21)
    for axis, fake in zip(axes, (False, True), strict=True):
        p = units.probabilities[units.labels == fake]
        name, colour = ("fake", FAKE) if fake else ("real", REAL)
        axis.hist(p, edges, color=colour, edgecolor="white", label=f"{name}, {len(p)} videos")
        axis.axvspan(thresholds.suspicious_from, thresholds.fake_above, color="#f3e9c6", zorder=0)
        axis.set_ylabel("videos")
        axis.legend(loc="upper center")
        _style(axis)
    axes[0].set_title("Probabilities; shaded: suspicious", fontsize=11)
    axes[1].set(xlabel="probability of fake", xlim=(0, 1))
    axes[1].yaxis.get_major_locator().set_params(integer=True)
    _save(figure, path)


def _draw(axis: Any, curve: Curve) -> None:
    axis.fill_between(curve.x, curve.low, curve.high, color=REAL, alpha=0.2, label="95 % interval")
    axis.plot(curve.x, curve.y, color=INK, label="model")


def _square(title: str) -> tuple[Any, Any]:
    figure, axis = plt.subplots(figsize=(6, 5.6), layout="tight")
    axis.set_title(title, fontsize=11)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    _style(axis)
    return figure, axis


def _style(axis: Any) -> None:
    axis.grid(alpha=0.3)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_all(
    videos: AggregatedScores,
    faces: AggregatedScores,
    metrics: Sequence[MetricSet],
    spec: ThresholdsSpec,
    out: Path,
) -> list[str]:
    """Writes all plots that the data allow and returns their file names.

    Args:
        metrics: of the videos and of the faces.
    """
    names = []
    if len(videos.labels):
        plot_distributions(videos, spec, out / "distributions.png")
        plot_reliability(faces, metrics[1], out / "reliability.png")
        names = ["distributions.png", "reliability.png"]
    if 0 < videos.labels.sum() < len(videos.labels):
        plot_roc(videos, metrics[0], out / "roc.png")
        plot_precision_recall(videos, out / "precision_recall.png")
        names = ["roc.png", "precision_recall.png", *names]
    return names
