"""Scores to a folder: figures, plots and a page."""

from __future__ import annotations

from pathlib import Path

from deepfake_serving.training.evaluate.breakdown import AS_IS
from deepfake_serving.training.evaluate.levels import at_level
from deepfake_serving.training.evaluate.record import Evaluation, write_csv, write_json
from deepfake_serving.training.report.page import page
from deepfake_serving.training.report.plot_robustness import plot_robustness
from deepfake_serving.training.report.plots import plot_all
from deepfake_serving.training.scores import write_scores
from model_handlers.manifest import ThresholdsSpec


def write_report(evaluation: Evaluation, thresholds: ThresholdsSpec, out: Path) -> None:
    """Writes `scores.csv`, `figures.json`, `figures.csv`, plots as PNG and `index.html` to `out`.

    Material of one class gets no ROC and no precision-recall curve; its AUC is null.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_scores(evaluation.scores, out / "scores.csv")
    write_json(evaluation, out / "figures.json")
    write_csv(evaluation, out / "figures.csv")
    names = _plots(evaluation, thresholds, out)
    text = page(evaluation, [out / name for name in names])
    (out / "index.html").write_text(text, encoding="utf-8")


def _plots(evaluation: Evaluation, thresholds: ThresholdsSpec, out: Path) -> list[str]:
    untouched = [score for score in evaluation.scores if score.variant == AS_IS]
    videos, faces = at_level(untouched, "video"), at_level(untouched, "face")
    figures = [evaluation.whole("video").figures, evaluation.whole("face").figures]
    names = plot_all(videos, faces, figures, thresholds, out)
    if evaluation.robustness:
        auc = figures[0].figures["auc"]
        plot_robustness(auc, evaluation.robustness, out / "robustness.png")
        names.append("robustness.png")
    return names
