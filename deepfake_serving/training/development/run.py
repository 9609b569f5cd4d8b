"""`evaluate-all`: a network on all development sets, as a table, its records and all scores."""

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
        weights: else the manifest's own.
        frames: of a video.
        robustness: files of each set and label that are also scored under every corruption.

    Returns:
        The table.
    """
    manifest = read_manifest(model)
    predictor = LocalPredictor(manifest, weights or pinned_weights(manifest))
    detector = build_face_detector(manifest.faces)
    found = score_sets(root, predictor, detector, frames, cache)
    for scored in found:
        write_scores(scored.scores, out / scored.name / "scores.csv")
    limits = manifest.thresholds
    table = rows(found, limits.suspicious_from, limits.fake_above)
    text = as_markdown(table)
    (out / TABLE).write_text(text, encoding="utf-8")
    (out / RECORDS).write_text(json.dumps(as_records(table), indent=1) + "\n", encoding="utf-8")
    attributes = read_attributes(root, detector, frames, cache)
    write_groups(count_groups(found, attributes, limits), out / GROUPS)
    if robustness:
        corrupted = score_sets(
            root, predictor, detector, frames, cache, all_corruptions(), robustness
        )
        found_points = points(rows(corrupted, limits.suspicious_from, limits.fake_above))
        write_points(found_points, out / ROBUSTNESS)
    return text
