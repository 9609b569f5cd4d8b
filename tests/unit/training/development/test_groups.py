"""Error rates by group, counted by hand, and skin tones of colours with a known angle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepfake_serving.training.card.groups_section import groups_section
from deepfake_serving.training.data.landmarks import build_face_detector
from deepfake_serving.training.development.attributes import SKIN_TONE, read_attributes
from deepfake_serving.training.development.groups import (
    Group,
    count_groups,
    read_groups,
    write_groups,
)
from deepfake_serving.training.development.sets import SetScores
from deepfake_serving.training.development.skin_tone import skin_tone
from deepfake_serving.training.predict.scores import Score
from model_handlers.manifest import ThresholdsSpec
from model_handlers.pipeline.decode import Pixels

BOX = (20.0, 20.0, 80.0, 80.0)
THRESHOLDS = ThresholdsSpec(suspicious_from=0.4, fake_above=0.6)


def face_of(lightness: float, a: float, b: float) -> Pixels:
    lab = np.full((100, 100, 3), (lightness, a, b), np.float32)
    return (cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255).round().astype(np.uint8)


@pytest.mark.parametrize(
    ("lab", "group"),
    [
        ((80, 12, 15), "very light"),  # atan(30 / 15) = 63 degrees
        ((65, 12, 15), "light"),  # 45
        ((60, 12, 15), "intermediate"),  # 34
        ((55, 12, 15), "tan"),  # 18
        ((48, 12, 15), "brown"),  # -8
        ((35, 12, 15), "dark"),  # -45
        ((60, 0, 0), "monochrome"),
        ((60, 15, -5), "colour cast"),
    ],
)
def test_skin_tone_is_the_typology_angle_of_the_cheeks(
    lab: tuple[float, float, float], group: str
) -> None:
    assert skin_tone(face_of(*lab), BOX) == group


def test_skin_tone_ignores_what_is_not_a_cheek() -> None:
    image = face_of(80, 12, 15)
    image[:50] = 0
    assert skin_tone(image, BOX) == "very light"


def scores(values: Sequence[tuple[float, bool]], **fields: object) -> list[Score]:
    given: dict[str, object] = {"variant": "as is", "face_px": 120.0} | fields
    return [
        Score(
            path=f"{'fake' if fake else 'real'}/{n}.jpg",
            fake=fake,
            manipulation="swap",
            identity=str(n),
            frame=0,
            logit=0.0,
            probability=probability,
            detail=float(n),
            **given,  # type: ignore[arg-type]
        )
        for n, (probability, fake) in enumerate(values)
    ]


def test_errors_are_counted_by_set_size_sharpness_and_attribute() -> None:
    small = scores([(0.1, False), (0.5, False), (0.9, False), (0.2, True), (0.9, True)])
    large = scores([(0.7, False)], face_px=300.0) + scores([(0.9, False)], variant="jpeg 50")
    attributes = {
        ("a", "real/0.jpg"): {"glasses": "yes"},
        ("a", "real/2.jpg"): {"glasses": "yes", SKIN_TONE: "dark"},
        ("a", "real/1.jpg"): {SKIN_TONE: "light"},
    }
    groups = count_groups(
        [SetScores("a", small, 0), SetScores("b", large, 0)], attributes, THRESHOLDS
    )
    assert groups[0] == Group("all", "all", 4, 2, 3, 2, 1)
    found = {(g.by, g.name): (g.reals, g.called_fake, g.suspected) for g in groups}
    assert found["set", "b"] == (1, 1, 1)
    assert found["face size", "100-150 px"] == (3, 1, 2)
    assert found["face size", "> 250 px"] == (1, 1, 1)
    assert found["glasses", "yes"] == (2, 1, 1)
    assert [g.name for g in groups if g.by == SKIN_TONE] == ["light", "dark"]
    assert sum(g.reals + g.fakes for g in groups if g.by == "sharpness") == 6


def test_groups_are_written_and_read(tmp_path: Path) -> None:
    groups = (Group("all", "all", 4, 2, 3, 2, 1),)
    write_groups(groups, tmp_path / "groups.json")
    assert read_groups(tmp_path / "groups.json") == groups
    assert read_groups(tmp_path / "absent.json") == ()


def test_the_card_names_groups_with_twice_the_rate_of_all() -> None:
    whole, equal = Group("all", "all", 400, 4, 40, 0, 0), Group("set", "a", 100, 1, 20, 0, 0)
    few = Group("set", "b", 10, 0, 9, 0, 0)
    *_, table, remark = groups_section([whole, equal, few])
    assert "| set | a | 100 | 0.010 [0.002, 0.054] | 0.200 [0.133, 0.289] | 0 | – |" in table
    assert remark.startswith("No group")
    *_, remark = groups_section([whole, Group("set", "c", 100, 1, 21, 0, 0)])
    assert "set “c” (0.210)" in remark


def test_attributes_come_from_pixels_and_from_a_file(astronaut: Pixels, tmp_path: Path) -> None:
    folder = tmp_path / "portraits"
    (folder / "real").mkdir(parents=True)
    cv2.imwrite(str(folder / "real/a.png"), astronaut[:, :, ::-1])
    (folder / "attributes.csv").write_text("file,age,glasses\nreal/a.png,30-39,\n")
    found = read_attributes(tmp_path, build_face_detector(), 1)
    assert found["portraits", "real/a.png"]["age"] == "30-39"
    assert set(found["portraits", "real/a.png"]) == {"age", SKIN_TONE}
    (folder / "attributes.csv").write_text("path,age\nreal/a.png,30-39\n")
    with pytest.raises(ValueError, match="no column `file`"):
        read_attributes(tmp_path, build_face_detector(), 1)
