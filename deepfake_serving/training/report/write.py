"""The report of an evaluation, written to a folder."""

from __future__ import annotations

from pathlib import Path

from deepfake_serving.training.evaluate.aggregation import aggregate
from deepfake_serving.training.evaluate.results import Evaluation, write_csv, write_json
from deepfake_serving.training.predict.scores import UNCORRUPTED, write_scores
from deepfake_serving.training.report.page import render_page
from deepfake_serving.training.report.plots import plot_all
from deepfake_serving.training.report.robustness_plot import plot_robustness


def write_report(evaluation: Evaluation, out: Path) -> None:
    """Writes `scores.csv`, `figures.json`, `figures.csv`, plots as PNG and `index.html` to `out`.

    Media of one class get no ROC and no precision-recall curve; their AUC is null.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_scores(evaluation.scores, out / "scores.csv")
    write_json(evaluation, out / "figures.json")
    write_csv(evaluation, out / "figures.csv")
    names = _write_plots(evaluation, out)
    page = render_page(evaluation, [out / name for name in names])
    (out / "index.html").write_text(page, encoding="utf-8")


def _write_plots(evaluation: Evaluation, out: Path) -> list[str]:
    uncorrupted = [score for score in evaluation.scores if score.variant == UNCORRUPTED]
    videos, faces = aggregate(uncorrupted, "video"), aggregate(uncorrupted, "face")
    metrics = [evaluation.overall("video").figures, evaluation.overall("face").figures]
    names = plot_all(videos, faces, metrics, evaluation.thresholds, out)
    if evaluation.robustness:
        auc = metrics[0].figures["auc"]
        plot_robustness(auc, evaluation.robustness, out / "robustness.png")
        names.append("robustness.png")
    return names
