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


@given(probabilities=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_an_image_is_its_worst_face(probabilities: list[float]) -> None:
    faces = [face(p) for p in probabilities]
    verdict, probability = image_verdict(faces, SPEC)
    worst = max(faces, key=lambda f: f.fake_probability)
    assert (verdict, probability) == (worst.verdict, worst.fake_probability)
