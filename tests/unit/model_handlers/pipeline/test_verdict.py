"""Labels at the thresholds, and the verdict of an image."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.verdict import FaceVerdict, Label
from model_handlers.manifest import ThresholdsSpec
from model_handlers.pipeline.verdict import image_verdict, label

SPEC = ThresholdsSpec(suspicious_from=0.4, fake_above=0.6)
ORDER = ["real", "suspicious", "fake"]


def face(probability: float) -> FaceVerdict:
    return FaceVerdict([0, 0, 1, 1], [], 1.0, probability, label(probability, SPEC), {})


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (0.0, "real"),
        (0.399999, "real"),
        (0.4, "suspicious"),
        (0.5, "suspicious"),
        (0.6, "suspicious"),
        (0.600001, "fake"),
        (1.0, "fake"),
    ],
)
def test_probabilities_at_the_thresholds_are_suspicious(
    probability: float, expected: Label
) -> None:
    assert label(probability, SPEC) == expected


@pytest.mark.parametrize(
    ("probability", "expected"), [(0.49, "real"), (0.5, "suspicious"), (0.51, "fake")]
)
def test_with_equal_thresholds_only_that_probability_is_suspicious(
    probability: float, expected: Label
) -> None:
    assert label(probability, ThresholdsSpec(suspicious_from=0.5, fake_above=0.5)) == expected


@given(probabilities=st.lists(st.floats(0, 1), min_size=2))
def test_labels_rise_with_the_probability(probabilities: list[float]) -> None:
    ranks = [ORDER.index(label(p, SPEC)) for p in sorted(probabilities)]
    assert all(a <= b for a, b in pairwise(ranks))


def test_without_a_face_the_verdict_is_no_face() -> None:
    assert image_verdict([], SPEC) == ("no_face", None)


def verdict_of(*probabilities: float) -> tuple[Label, float]:
    verdict, probability = image_verdict([face(p) for p in probabilities], SPEC)
    assert probability is not None
    return verdict, probability


@given(probability=st.floats(0, 1))
def test_an_image_of_one_face_is_that_face(probability: float) -> None:
    assert verdict_of(probability) == (label(probability, SPEC), probability)


@pytest.mark.parametrize("probability", [0.0, 0.05, 0.39, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("count", [2, 60])
def test_copies_of_a_face_are_as_probable_as_one(probability: float, count: int) -> None:
    assert verdict_of(*[probability] * count) == (label(probability, SPEC), probability)


@given(probabilities=st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_an_image_is_no_more_probable_than_its_highest_face(probabilities: list[float]) -> None:
    _, probability = verdict_of(*probabilities)
    assert min(probabilities) - 1e-6 <= probability <= max(probabilities) + 1e-6


def test_one_sure_fake_among_many_real_faces_makes_the_image_fake() -> None:
    assert verdict_of(0.9, *[0.05] * 20) == ("fake", pytest.approx(0.765, abs=0.001))
    assert verdict_of(0.9, *[0.25] * 63)[0] == "fake"
    assert verdict_of(0.8, *[0.25] * 63)[0] == "suspicious"


def test_one_unsure_face_among_many_real_faces_does_not_decide() -> None:
    """The highest of 60 real faces is often above 0.4, though each has 8 % of being so."""
    assert verdict_of(0.485, *[0.25] * 59)[0] == "real"


@given(probabilities=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_a_more_suspicious_face_makes_no_image_more_real(probabilities: list[float]) -> None:
    lower = verdict_of(*probabilities)[1]
    assert verdict_of(min(1.0, probabilities[0] + 0.1), *probabilities[1:])[1] >= lower - 1e-6
