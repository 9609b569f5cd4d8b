"""The plots of an evaluation, as PNG. Bands and bars are 95 % intervals over identities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from deepfake_serving.training.evaluate.curves import Curve, precision_recall, reliability, roc
from deepfake_serving.training.evaluate.figures import Figures
from deepfake_serving.training.evaluate.levels import Judged
from deepfake_serving.training.report.wording import interval_text
from model_handlers.manifest import ThresholdsSpec

REAL, FAKE, INK = "#2c7fb8", "#d95f0e", "#333333"
_UNITS_A_BIN, _MOST_BINS = 8, 10


def plot_roc(judged: Judged, figures: Figures, path: Path) -> None:
    """ROC curve of videos; needs both classes."""
    figure, axis = _square(f"ROC, videos: AUC {interval_text(figures.figures['auc'])}")
    axis.plot([0, 1], [0, 1], color="#aaaaaa", linestyle=":", label="chance")
    curve = roc(judged)
    _draw(axis, curve)
    axis.plot([0, 0], [0, curve.y[0]], color=INK)
    confusion = figures.confusion
    false = confusion["fp"] / max(1, figures.real)
    hit = confusion["tp"] / max(1, figures.fake)
    axis.plot(false, hit, "o", color=FAKE, label="at the threshold for fake", zorder=5)
    axis.set(xlabel="reals called fake", ylabel="fakes called fake")
    axis.legend(loc="lower right")
    _save(figure, path)


def plot_precision_recall(judged: Judged, path: Path) -> None:
    """Precision over recall of videos; needs both classes."""
    share = float(judged.labels.mean())
    figure, axis = _square(f"Precision and recall, videos ({share:.0%} of them fake)")
    axis.axhline(share, color="#aaaaaa", linestyle=":", label="chance")
    _draw(axis, precision_recall(judged))
    axis.set(xlabel="recall: fakes called fake", ylabel="precision: fakes among what is called so")
    axis.legend(loc="lower left")
    _save(figure, path)


def plot_reliability(judged: Judged, figures: Figures, path: Path) -> None:
    """How often what got a probability was fake, in bins of equal mass; faces."""
    bins = int(np.clip(len(judged.labels) // _UNITS_A_BIN, 2, _MOST_BINS))
    found = reliability(judged, bins)
    curve = found.curve
    figure, axis = _square(f"Reliability, faces: ECE {interval_text(figures.figures['ece'])}")
    axis.plot([0, 1], [0, 1], color="#aaaaaa", linestyle=":", label="perfect")
    bars = np.clip([curve.y - curve.low, curve.high - curve.y], 0, None)
    axis.errorbar(curve.x, curve.y, bars, fmt="o-", color=INK, capsize=3, label="observed")
    axis.set(xlabel="mean probability of the bin", ylabel="share of fakes in the bin")
    least, most = int(found.counts.min()), int(found.counts.max())
    axis.legend(loc="upper left", title=f"{least} to {most} faces a bin")
    _save(figure, path)


def plot_distributions(judged: Judged, thresholds: ThresholdsSpec, path: Path) -> None:
    """Histograms of the videos' probabilities, real above, fake below, on the same bins."""
    figure, axes = plt.subplots(2, 1, figsize=(7, 5), sharex=True, sharey=True, layout="tight")
    edges = np.linspace(0, 1, 21)
    for axis, fake in zip(axes, (False, True), strict=True):
        mine = judged.probabilities[judged.labels == fake]
        name, colour = ("fake", FAKE) if fake else ("real", REAL)
        axis.hist(mine, edges, color=colour, edgecolor="white", label=f"{name}, {len(mine)} videos")
        axis.axvspan(thresholds.suspicious_from, thresholds.fake_above, color="#f3e9c6", zorder=0)
        axis.set_ylabel("videos")
        axis.legend(loc="upper center")
        _tidy(axis)
    axes[0].set_title("Probabilities; shaded: called suspicious", fontsize=11)
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
    _tidy(axis)
    return figure, axis


def _tidy(axis: Any) -> None:
    axis.grid(alpha=0.3)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_all(
    judged: Judged, faces: Judged, figures: Sequence[Figures], spec: ThresholdsSpec, out: Path
) -> list[str]:
    """Writes all plots that the material allows; their file names.

    Args:
        judged, faces: videos and faces.
        figures: of the videos and of the faces.
    """
    names = []
    if len(judged.labels):
        plot_distributions(judged, spec, out / "distributions.png")
        plot_reliability(faces, figures[1], out / "reliability.png")
        names = ["distributions.png", "reliability.png"]
    if 0 < judged.labels.sum() < len(judged.labels):
        plot_roc(judged, figures[0], out / "roc.png")
        plot_precision_recall(judged, out / "precision_recall.png")
        names = ["roc.png", "precision_recall.png", *names]
    return names
