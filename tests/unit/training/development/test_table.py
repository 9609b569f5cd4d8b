"""The table of development sets: sets that lack a class, and metrics computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepfake_serving.training.data.face_regions import FaceRegion
from deepfake_serving.training.data.landmarks import build_face_detector
from deepfake_serving.training.development.run import evaluate_all
from deepfake_serving.training.development.sets import SetScores, read_sets, score_sets
from deepfake_serving.training.development.table import as_markdown, rows
from deepfake_serving.training.predict.predictor import Predictions
from deepfake_serving.training.predict.scores import Score
from model_handlers.pipeline.decode import Pixels
from tests.support.paths import MANIFESTS


def _set(name: str, reals: Sequence[float], fakes: Sequence[float]) -> SetScores:
    labelled = [(p, False) for p in reals] + [(p, True) for p in fakes]
    scores = [
        Score(str(n), fake, "made", str(n), 0, 200.0, "as is", p, p, 5.0)
        for n, (p, fake) in enumerate(labelled)
    ]
    return SetScores(name, scores, 0)


def test_the_auc_is_computed_against_own_and_all_reals() -> None:
    low, high = _set("low", [0.1, 0.2], [0.5, 0.9]), _set("high", [0.7] * 8, [])
    first, second = rows([low, high], 0.4, 0.6)
    assert (first.name, first.auc, first.called_fake, first.passed) == ("low", 1.0, 0.0, 0.0)
    # 0.9 lies above all reals, 0.5 above those of `low`, which weigh as much as those of `high`.
    assert first.auc_all == pytest.approx(0.75)
    assert (second.auc, second.called_fake, second.passed) == (None, 1.0, None)
    assert "| low | 2 / 2 | 1.000 | 0.750 | 0.000 | 0.500 | 0.000 |" in as_markdown([first, second])


def test_variants_are_listed_side_by_side() -> None:
    scored = _set("one", [0.1], [0.9])
    later = [Score(*(_fields(s) | {"variant": "jpeg 50"}).values()) for s in scored.scores]
    table = rows([SetScores("one", scored.scores + later, 0)], 0.4, 0.6)
    assert [row.variant for row in table] == ["as is", "jpeg 50"]
    assert "1.000 · 1.000" in as_markdown(table)


def _fields(score: Score) -> dict[str, object]:
    return {name: getattr(score, name) for name in Score.__slots__}


def test_sets_may_lack_a_class(astronaut: Pixels, tmp_path: Path) -> None:
    for folder in ("only_real/real", "both/real", "both/fake"):
        (tmp_path / folder).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / folder / "a.png"), astronaut[:, :, ::-1])
    (tmp_path / "both/real/blank.png").write_bytes(
        cv2.imencode(".png", np.zeros((200, 200, 3), np.uint8))[1].tobytes()
    )
    (tmp_path / "nothing").mkdir()

    def predict(regions: Sequence[FaceRegion]) -> Predictions:
        sizes = np.array([region.face_px for region in regions])
        return Predictions(sizes, sizes / 1000, sizes)

    assert list(read_sets(tmp_path)) == ["both", "only_real"]
    both, only_real = score_sets(tmp_path, predict, build_face_detector(), 1)
    assert both.faceless == 1
    assert [s.variant for s in only_real.scores] == ["as is", "jpeg 50", "downscale 0.5", "h264 28"]
    as_it_is, _, half, _ = (s.face_px for s in only_real.scores)
    assert half == pytest.approx(as_it_is / 2, rel=0.02)


def test_an_evaluation_removes_what_an_earlier_one_left(astronaut: Pixels, tmp_path: Path) -> None:
    """Else `calibrate-all` would mix the scores of two models, and `card` show old robustness."""
    (tmp_path / "sets/now/real").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "sets/now/real/a.png"), astronaut[:, :, ::-1])
    for name in ("earlier/scores.csv", "robustness.csv"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("of another model")
    model = MANIFESTS / "detector.yaml"
    evaluate_all(tmp_path / "sets", model, tmp_path / "out", None, 1, tmp_path / "cache")
    assert [p.parent.name for p in (tmp_path / "out").glob("*/scores.csv")] == ["now"]
    assert not (tmp_path / "out/robustness.csv").exists()


def test_an_empty_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="real/"):
        read_sets(tmp_path)
