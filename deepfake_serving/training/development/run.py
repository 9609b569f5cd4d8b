"""The command `evaluate-all`: scores a network on all development sets and writes the tables."""

from __future__ import annotations

import json
from pathlib import Path

from deepfake_serving.training.data.landmarks import build_face_detector
from deepfake_serving.training.development.attributes import read_attributes
from deepfake_serving.training.development.groups import RECORDS as GROUPS
from deepfake_serving.training.development.groups import count_groups, write_groups
from deepfake_serving.training.development.robustness import RECORDS as ROBUSTNESS
from deepfake_serving.training.development.robustness import points, write_points
from deepfake_serving.training.development.sets import score_sets
from deepfake_serving.training.development.table import RECORDS, as_markdown, as_records, rows
from deepfake_serving.training.predict.corruptions import all_corruptions
from deepfake_serving.training.predict.predictor import LocalPredictor
from deepfake_serving.training.predict.scores import write_scores
from deepfake_serving.training.predict.weights import pinned_weights
from model_handlers.manifest import read_manifest

TABLE = "development.md"


def evaluate_all(
    root: Path,
    model: Path,
    out: Path,
    weights: Path | None,
    frames: int,
    cache: Path,
    robustness: int = 0,
) -> str:
    """Scores every set below `root`; writes tables and `SET/scores.csv` into `out`.

    Args:
        weights: default: those of the manifest.
        frames: frames sampled from a video.
        robustness: files of each set and label that are also scored under every corruption.

    Returns:
        The table.
    """
    manifest = read_manifest(model)
    predictor = LocalPredictor(manifest, weights or pinned_weights(manifest))
    detector = build_face_detector(manifest.faces)
    scored_sets = score_sets(root, predictor, detector, frames, cache)
    _remove_earlier(out)
    for scored in scored_sets:
        write_scores(scored.scores, out / scored.name / "scores.csv")
    thresholds = manifest.thresholds
    table = rows(scored_sets, thresholds.suspicious_from, thresholds.fake_above)
    text = as_markdown(table)
    (out / TABLE).write_text(text, encoding="utf-8")
    (out / RECORDS).write_text(json.dumps(as_records(table), indent=1) + "\n", encoding="utf-8")
    attributes = read_attributes(root, detector, frames, cache)
    write_groups(count_groups(scored_sets, attributes, thresholds), out / GROUPS)
    if robustness:
        corrupted = score_sets(
            root, predictor, detector, frames, cache, all_corruptions(), robustness
        )
        corrupted_rows = rows(corrupted, thresholds.suspicious_from, thresholds.fake_above)
        write_points(points(corrupted_rows), out / ROBUSTNESS)
    return text


def _remove_earlier(out: Path) -> None:
    """Removes what another model's scores or sets would leave to `calibrate-all` and `card`."""
    for file in (*out.glob("*/scores.csv"), out / ROBUSTNESS):
        file.unlink(missing_ok=True)
