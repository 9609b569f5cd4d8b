"""Development sets under corruptions: points of the table, their file, their section, the plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepfake_serving.training.card.robustness_section import robustness_section
from deepfake_serving.training.data.face_regions import FaceRegion
from deepfake_serving.training.data.landmarks import build_face_detector
from deepfake_serving.training.development.robustness import (
    Point,
    points,
    read_points,
    write_points,
)
from deepfake_serving.training.development.robustness_plot import plot_sets
from deepfake_serving.training.development.sets import score_sets
from deepfake_serving.training.development.table import Row
from deepfake_serving.training.predict.corruptions import Corruption, all_corruptions
from deepfake_serving.training.predict.predictor import Predictions
from model_handlers.pipeline.decode import Pixels


def row(name: str, variant: str, auc: float | None, called_fake: float | None = 0.01) -> Row:
    return Row(name, variant, 10, 10, auc, None, called_fake, None, None)


ROWS = [
    row("swaps", "as is", 0.9),
    row("swaps", "jpeg 30", 0.6),
    row("swaps", "blur 2", 0.7),
    row("reals", "as is", None, 0.02),
    row("reals", "jpeg 30", None, 0.2),
]


def test_points_start_uncorrupted_and_follow_kind_and_level() -> None:
    found = points(ROWS)
    assert [(p.kind, p.level, p.set) for p in found] == [
        ("as is", "", "swaps"),
        ("as is", "", "reals"),
        ("jpeg", "30", "swaps"),
        ("jpeg", "30", "reals"),
        ("blur", "2", "swaps"),
    ]
    assert found[2] == Point("swaps", "jpeg", "30", 0.6, 0.01)


def test_points_survive_their_file(tmp_path: Path) -> None:
    write_points(points(ROWS), tmp_path / "robustness.csv")
    assert read_points(tmp_path / "robustness.csv") == tuple(points(ROWS))
    assert read_points(tmp_path / "absent.csv") == ()


def test_the_section_shows_auc_and_false_positives() -> None:
    text = "\n".join(robustness_section(points(ROWS)))
    assert "| corruption | swaps | reals |" in text
    assert "| as is | 0.900 · 0.010 | 0.020 |" in text
    assert "| jpeg 30 | 0.600 · 0.010 | 0.200 |" in text
    assert "| blur 2 | 0.700 · 0.010 | – |" in text


def test_the_plot_has_a_panel_for_each_kind(tmp_path: Path) -> None:
    plot_sets(points(ROWS), tmp_path / "one.png")
    few = cv2.imread(str(tmp_path / "one.png"))
    plot_sets(points([r for r in ROWS if "blur" not in r.variant]), tmp_path / "two.png")
    fewer = cv2.imread(str(tmp_path / "two.png"))
    assert few is not None
    assert fewer is not None
    assert few.shape[1] == pytest.approx(2 * fewer.shape[1], rel=0.05)


def test_a_limit_spreads_the_files_of_each_label(astronaut: Pixels, tmp_path: Path) -> None:
    for label, count in (("real", 5), ("fake", 2)):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(count):
            file = tmp_path / "set" / label / f"{number}.jpg"
            cv2.imwrite(str(file), astronaut[:240, 120:330, ::-1])

    def predict(regions: Sequence[FaceRegion]) -> Predictions:
        zeros = np.zeros(len(regions))
        return Predictions(zeros, zeros, zeros)

    blur = [Corruption("blur", 1)]
    (found,) = score_sets(tmp_path, predict, build_face_detector(), 1, None, blur, limit=3)
    paths = [score.path for score in found.scores if score.variant == "blur 1"]
    assert paths == ["real/0.jpg", "real/2.jpg", "real/4.jpg", "fake/0.jpg", "fake/1.jpg"]


def test_every_corruption_changes_the_pixels_and_keeps_the_face(astronaut: Pixels) -> None:
    region = FaceRegion(np.ascontiguousarray(astronaut[:240, 120:330]), (57, 58, 150, 175), 0)
    for corruption in all_corruptions():
        corrupted = corruption(region)
        if corruption.kind == "downscale":
            assert corrupted.face_px == pytest.approx(corruption.level * region.face_px, rel=0.03)
            continue
        assert corrupted.box == region.box
        difference = np.abs(corrupted.pixels.astype(int) - region.pixels.astype(int)).mean()
        assert 0.2 < difference < 20, corruption.variant
