"""Metrics, compared with scikit-learn and with examples computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from deepfake_serving.training.evaluate import metrics
from deepfake_serving.training.evaluate.aggregation import AggregatedScores, Floats, aggregate
from deepfake_serving.training.evaluate.bootstrap import intervals
from deepfake_serving.training.evaluate.breakdown import by_face_size, subgroups
from deepfake_serving.training.evaluate.metric_set import compute_metrics
from deepfake_serving.training.predict.scores import Score
from model_handlers.manifest import ThresholdsSpec

THRESHOLDS = ThresholdsSpec()


def sample(n: int = 400, seed: int = 0) -> tuple[metrics.Labels, Floats]:
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    p = np.clip(rng.normal(0.35 + 0.3 * labels, 0.2), 0, 1).round(2)  # with ties
    return labels, p


def one(n: int) -> Floats:
    return np.ones((1, n))


@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_those_of_scikit_learn(seed: int) -> None:
    labels, p = sample(seed=seed)
    weights, called = one(len(p)), p > 0.6
    cells = metrics.confusion(labels, p, weights, 0.6)
    pairs = [
        (metrics.auc(labels, p, weights), reference.roc_auc_score(labels, p)),
        (metrics.log_loss(labels, np.clip(p, 0.01, 0.99), weights), None),
        (metrics.brier(labels, p, weights), reference.brier_score_loss(labels, p)),
        (metrics.f1(cells), reference.f1_score(labels, called)),
        (metrics.precision(cells), reference.precision_score(labels, called)),
        (metrics.recall(cells), reference.recall_score(labels, called)),
        (
            metrics.balanced_accuracy(cells),
            reference.balanced_accuracy_score(labels, called),
        ),
    ]
    for actual, expected in pairs:
        if expected is not None:
            assert actual[0] == pytest.approx(expected)
    expected = reference.log_loss(labels, np.clip(p, 0.01, 0.99))
    assert pairs[1][0][0] == pytest.approx(expected)
    tn, fp, fn, tp = reference.confusion_matrix(labels, called).ravel()
    assert [int(c[0]) for c in cells] == [tp, fp, tn, fn]


def test_integer_weights_equal_repeated_units() -> None:
    labels, p = sample(60)
    counts = np.random.default_rng(1).integers(0, 4, 60)
    repeated = np.repeat(np.arange(60), counts)
    for figure in (metrics.auc, metrics.brier, metrics.eer, metrics.log_loss):
        weighted = figure(labels, p, counts[None].astype(float))
        assert weighted[0] == pytest.approx(
            figure(labels[repeated], p[repeated], one(len(repeated)))[0]
        )


def test_equal_error_rate_matches_a_hand_computed_example() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1], bool)
    p = np.array([0.1, 0.2, 0.3, 0.7, 0.4, 0.6, 0.8, 0.9])
    assert metrics.eer(labels, p, one(8))[0] == pytest.approx(0.25)
    assert metrics.eer(labels, labels.astype(float), one(8))[0] == 0
    assert metrics.eer(labels, 1.0 - labels, one(8))[0] == 1


def test_calibration_error_is_higher_for_overconfident_scores() -> None:
    rng = np.random.default_rng(3)
    p = rng.random(20_000)
    labels = rng.random(20_000) < p
    assert metrics.ece(labels, p, one(20_000))[0] < 0.02
    overconfident = np.where(p > 0.5, 0.99, 0.01)
    assert metrics.ece(labels, overconfident, one(20_000))[0] == pytest.approx(0.24, abs=0.02)


def units(people: int, frames: int = 1, seed: int = 0) -> AggregatedScores:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people) % 2 == 1, frames)
    p = np.repeat(np.clip(rng.normal(0.4 + 0.2 * (np.arange(people) % 2), 0.2), 0, 1), frames)
    return AggregatedScores(labels, p, np.repeat(np.arange(people), frames))


def width(group: AggregatedScores) -> float:
    found = compute_metrics(group, THRESHOLDS, replicates=400).figures["auc"]
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert found.low <= found.value <= found.high
    return found.high - found.low


def test_intervals_narrow_with_more_people_not_with_more_frames() -> None:
    assert width(units(400)) < 0.6 * width(units(40))
    assert width(units(40, frames=10)) == pytest.approx(width(units(40)), abs=0.02)


def test_intervals_have_the_stated_coverage() -> None:
    """Means of 60 people around 0.5: 95 % intervals must contain 0.5 in about 95 % of samples."""
    covered = 0
    for seed in range(200):
        values = np.random.default_rng(seed).normal(0.5, 0.2, 60)

        def measure(weights: Floats, values: Floats = values) -> dict[str, Floats]:
            return {"mean": metrics.mean(values, weights)}

        found = intervals(measure, np.arange(60), replicates=300, seed=seed)["mean"]
        assert found.low is not None
        assert found.high is not None
        covered += found.low < 0.5 < found.high
    assert 178 <= covered <= 198


def test_intervals_are_reproducible_by_seed() -> None:
    first, again, other = (
        compute_metrics(units(40), THRESHOLDS, 200, seed).figures["auc"] for seed in (1, 1, 2)
    )
    assert first == again != other


def score(path: str, p: float, frame: int = 0, px: float = 200, variant: str = "as is") -> Score:
    fake = path.startswith("fake")
    person = path.rpartition("/")[2]
    kind = "swap" if fake else "real"
    return Score(path, fake, kind, person, frame, px, variant, 0.0, p, 5.0)


MANY = [
    score("real/1", 0.1),
    score("real/1", 0.3, frame=1),
    score("real/1", 0.7, frame=1),
    score("fake/1", 0.9),
    score("real/2", 0.5, px=80),
    score("fake/2", 0.4, px=80),
    score("fake/3", float("nan")),
]


def test_scores_are_aggregated_by_face_frame_and_video() -> None:
    faces, frames, videos = (aggregate(MANY, level) for level in ("face", "frame", "video"))
    assert len(faces.labels) == 6
    assert faces.unanswered == frames.unanswered == videos.unanswered == 1
    assert sorted(frames.probabilities) == [0.1, 0.4, 0.5, 0.7, 0.9]
    found = dict(zip(videos.names, videos.probabilities, strict=True))
    assert found["real/1"] == pytest.approx((0.1 + 0.3 + 0.7) / 3)
    assert videos.identity_count == 2


def test_paired_ranking_label_shares_and_counts_match_an_example() -> None:
    found = compute_metrics(aggregate(MANY, "video"), THRESHOLDS, replicates=50)
    values = {name: figure.value for name, figure in found.figures.items()}
    assert values["pairs_right"] == 0.5
    assert values["real_called_real"] == values["real_called_suspicious"] == 0.5
    assert values["fake_called_fake"] == values["fake_called_suspicious"] == 0.5
    assert values["real_called_fake"] == 0
    assert (found.real, found.fake, found.unanswered) == (2, 2, 1)
    assert found.confusion == {"tp": 1, "fp": 0, "tn": 2, "fn": 1}


def test_subgroups_have_names_and_sizes() -> None:
    found = subgroups([*MANY, score("real/1", 0.2, variant="jpeg 50")], THRESHOLDS, replicates=20)
    names = [(part.by, part.name) for part in found]
    assert names == [
        *[("all", "all")] * 3,
        ("manipulation", "swap"),
        ("face size", "< 100 px"),
        ("face size", "150-250 px"),
        ("variant", "as is"),
        ("variant", "jpeg 50"),
    ]
    assert [name for name, _ in by_face_size([score("real/1", 0, px=100)])] == ["100-150 px"]


def test_a_single_class_has_no_auc() -> None:
    found = compute_metrics(aggregate([s for s in MANY if not s.fake], "face"), THRESHOLDS, 50)
    assert found.figures["auc"].value is None
    assert found.figures["real_called_fake"].value == pytest.approx(0.25)
    nothing = compute_metrics(aggregate([], "face"), THRESHOLDS, 50)
    assert nothing.figures["brier"].value is None
    with pytest.raises(ValueError, match="as is"):
        subgroups([], THRESHOLDS)
