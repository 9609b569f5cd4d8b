"""Heatmaps: their numbers, their images, and the faces that get one."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from deepfake_serving.contracts.verdict import NO_HEATMAPS, Heatmap, HeatmapMethod, ImageVerdict
from model_handlers.items import Options
from model_handlers.pipeline import tasks
from model_handlers.pipeline.classifier import Scores
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.heatmaps.heatmap import add_heatmaps, build_heatmap, build_rollout
from model_handlers.pipeline.heatmaps.overlay import draw_overlay, draw_shares
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask

GRID = np.array([[0.5, 0.0], [-0.25, 0.0]], np.float32)


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def detect(task: DetectorTask, *items: tuple[Pixels, bool]) -> list[ImageVerdict]:
    images, options = [i for i, _ in items], [Options(explain=e) for _, e in items]
    outcomes = task.run(images, options, Stopwatch())
    assert all(isinstance(outcome, ImageVerdict) for outcome in outcomes)
    return outcomes  # type: ignore[return-value]


# The overlay -------------------------------------------------------------------------------------


def test_an_overlay_is_red_where_the_score_rises_and_blue_where_it_falls() -> None:
    overlay = Image.open(io.BytesIO(draw_overlay(GRID, 0.5, 64))).convert("RGBA")
    assert overlay.size == (64, 64)
    red, _, blue, opacity = overlay.getpixel((0, 0))  # type: ignore[misc]
    assert red > blue
    assert opacity == 200
    red, _, blue, lower = overlay.getpixel((0, 63))  # type: ignore[misc]
    assert blue > red
    assert 90 <= lower <= 101, "half of the scale"
    assert overlay.getpixel((63, 32))[3] == 0  # type: ignore[index]


def test_contributions_beyond_the_scale_are_fully_opaque() -> None:
    overlay = Image.open(io.BytesIO(draw_overlay(GRID * 100, 0.5, 32))).convert("RGBA")
    assert overlay.getpixel((0, 0))[3] == 200  # type: ignore[index]


# One heatmap -------------------------------------------------------------------------------------


def test_the_grid_and_the_offset_sum_to_the_logit(astronaut: Pixels) -> None:
    heatmap = build_heatmap(astronaut[:224, :224], GRID, 1.5)
    assert heatmap.grid == [[0.5, 0.0], [-0.25, 0.0]]
    assert heatmap.offset == 1.25
    assert heatmap.scale == 0.5
    assert opened(heatmap.overlay).size == opened(heatmap.crop).size == (224, 224)


def test_the_crop_is_what_the_network_got(astronaut: Pixels) -> None:
    crop = np.ascontiguousarray(astronaut[40:264, 120:344])
    found = np.asarray(opened(build_heatmap(crop, GRID, 0.0).crop).convert("RGB"))
    assert np.abs(found.astype(int) - crop).mean() < 6


def test_a_map_of_almost_nothing_is_faint(no_face: Pixels) -> None:
    assert build_heatmap(no_face[:64, :64], GRID / np.float32(1000), 0.0).scale == 0.1


def test_a_rollout_and_the_class_tokens_share_sum_to_one(astronaut: Pixels) -> None:
    shares = np.array([[0.25, 0.125], [0.05, 0.075]], np.float32)
    heatmap = build_rollout(astronaut[:224, :224], shares)
    assert (heatmap.method, heatmap.offset, heatmap.scale) == ("attention_rollout", 0.5, 0.25)
    assert heatmap.grid == [[0.25, 0.125], [0.05, 0.075]]
    assert opened(heatmap.overlay).size == (224, 224)


def test_a_rollout_has_one_colour_and_is_invisible_at_its_smallest_share() -> None:
    shares = np.array([[0.5, 0.1], [0.3, 0.1]], np.float32)
    overlay = Image.open(io.BytesIO(draw_shares(shares, 64))).convert("RGBA")
    *colour, opacity = overlay.getpixel((0, 0))  # type: ignore[misc]
    *other, lower = overlay.getpixel((0, 63))  # type: ignore[misc]
    assert colour == other
    assert (opacity, lower) == (200, 100)
    assert overlay.getpixel((63, 32))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize("method", ["class_activation", "attention_rollout"])
def test_a_heatmap_names_its_method(
    trained_detector: DetectorTask, astronaut: Pixels, method: HeatmapMethod
) -> None:
    (verdict,) = detect(trained_detector, (astronaut, False))
    scores = Scores(np.array([0.5]), np.array([0.0]), GRID[None] ** 2, method)
    (explained,) = add_heatmaps([verdict], [True], [astronaut[:64, :64]], scores)
    assert explained.faces[0].heatmap is not None
    assert explained.faces[0].heatmap.method == method


# Faces of a verdict ------------------------------------------------------------------------------


def test_only_images_that_ask_for_heatmaps_get_them(
    trained_detector: DetectorTask, astronaut: Pixels, three_faces: Pixels, no_face: Pixels
) -> None:
    one, three, none = detect(
        trained_detector, (astronaut, False), (three_faces, True), (no_face, True)
    )
    assert [face.heatmap for face in one.faces] == [None]
    heatmaps = [face.heatmap for face in three.faces]
    assert all(isinstance(heatmap, Heatmap) for heatmap in heatmaps)
    assert len({h.crop for h in heatmaps if h}) == 3
    assert none.faces == []
    assert none.warnings == []


def test_a_heatmap_changes_no_score(trained_detector: DetectorTask, astronaut: Pixels) -> None:
    plain, explained = (
        detect(trained_detector, (astronaut, explain))[0] for explain in (False, True)
    )
    assert plain.fake_probability == explained.fake_probability


def test_a_heatmap_explains_the_logit_of_its_face(
    trained_detector: DetectorTask, astronaut: Pixels
) -> None:
    (verdict,) = detect(trained_detector, (astronaut, True))
    heatmap = verdict.faces[0].heatmap
    assert heatmap is not None
    logit = heatmap.offset + sum(map(sum, heatmap.grid))
    spec = trained_detector.manifest.calibration
    assert spec.method in ("identity", "platt")
    p = 1 / (1 + np.exp(-(spec.slope * logit + spec.intercept)))
    assert p == pytest.approx(verdict.fake_probability, abs=2e-3)


def test_a_network_without_maps_is_named(
    trained_detector: DetectorTask, astronaut: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    classify = trained_detector.classifier.network
    monkeypatch.setattr(
        trained_detector.classifier, "network", lambda *images: classify(*images)[:1]
    )
    explained, plain = detect(trained_detector, (astronaut, True), (astronaut, False))
    assert explained.warnings == [NO_HEATMAPS]
    assert explained.faces[0].heatmap is None
    assert plain.warnings == []


def test_nothing_is_drawn_unless_it_is_requested(
    trained_detector: DetectorTask, astronaut: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> list[ImageVerdict]:
        raise AssertionError("drawn without a request")

    monkeypatch.setattr(tasks, "add_heatmaps", refuse)
    detect(trained_detector, (astronaut, False))


def test_no_verdicts_need_no_scores() -> None:
    assert add_heatmaps([], [], [], Scores(np.zeros(0), np.zeros(0), None)) == []
