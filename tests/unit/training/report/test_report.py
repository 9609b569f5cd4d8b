"""A whole evaluation on clips of the astronaut: predictions, corruptions, files and page."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest
import requests
from matplotlib.figure import Figure
from matplotlib.pyplot import close

from deepfake_serving.training.data.face_regions import FaceRegion
from deepfake_serving.training.data.media import read_media
from deepfake_serving.training.evaluate.bootstrap import Estimate as Interval
from deepfake_serving.training.evaluate.metric_set import METRIC_NAMES
from deepfake_serving.training.evaluate.robustness import RobustnessPoint, robustness
from deepfake_serving.training.evaluate.run import EvaluationRequest, evaluate
from deepfake_serving.training.predict.corruptions import all_corruptions
from deepfake_serving.training.predict.predict_media import predict_media
from deepfake_serving.training.predict.predictor import Predictions
from deepfake_serving.training.predict.scores import read_scores
from deepfake_serving.training.predict.server_predictor import ServerPredictor
from deepfake_serving.training.report.robustness_plot import plot_robustness
from deepfake_serving.training.report.write import write_report
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceDetector
from tests.support.paths import MANIFESTS
from tests.unit.training.conftest import write_clip


@pytest.fixture(scope="module")
def media(astronaut: Pixels, no_face: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes two real clips, two darker "fakes", and a clip of a cup."""
    root = tmp_path_factory.mktemp("media")
    for number in (1, 2):
        frames = [astronaut[k : k + 320, 40 + k : 400 + k] for k in range(0, 6 * number, number)]
        write_clip(root / f"real/v{number}.mp4", frames)
        dark = [cv2.convertScaleAbs(f, alpha=0.5) for f in frames]
        write_clip(root / f"fake/swap/vs{number}.mp4", dark)
    write_clip(root / "real/v3.mp4", [cv2.resize(no_face, (360, 320))] * 4)
    return root


def darkness(regions: Sequence[FaceRegion]) -> Predictions:
    """A stub of a model: the darker the face, the higher the fake probability."""
    p = np.array([1 - float(region.pixels.mean()) / 255 for region in regions])
    return Predictions(np.log(p / (1 - p)), p, np.full(len(p), 5.0))


def test_every_corruption_changes_pixels_and_keeps_the_face_in_its_box(
    media: Path, face_detector: FaceDetector
) -> None:
    responses = predict_media(
        read_media(media), media, lambda _: darkness, face_detector, 2, all_corruptions()
    )
    assert responses.without_face == ["real/v3.mp4"]
    expected = {"as is", *(d.variant for d in all_corruptions())}
    assert {s.variant for s in responses.scores} == expected
    half = [s for s in responses.scores if s.variant == "downscale 0.5"]
    whole = [s for s in responses.scores if s.variant == "as is"]
    for small, large in zip(half, whole, strict=True):
        assert small.face_px == pytest.approx(large.face_px / 2, rel=0.02)
    points = robustness(responses.scores, all_corruptions(), replicates=20)
    assert len(points) == len(all_corruptions())
    assert all(point.auc.value == 1 and point.drop.value == 0 for point in points)


@pytest.mark.parametrize("corruption", all_corruptions(), ids=lambda d: d.variant)
def test_corruptions_change_pixels_deterministically(corruption: object, astronaut: Pixels) -> None:
    assert callable(corruption)
    region = FaceRegion(astronaut[:300, :300].copy(), (80.0, 60.0, 170.0, 180.0), 3)
    once, again = corruption(region), corruption(region)
    assert (once.pixels == again.pixels).all()
    assert once.frame == 3
    assert once.pixels.shape != region.pixels.shape or (once.pixels != region.pixels).any()


def test_the_robustness_plot_includes_the_lowest_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr("deepfake_serving.training.report.robustness_plot.plt.close", drawn.append)
    low, high = Interval(0.3, 0.2, 0.4), Interval(0.9, 0.8, 1.0)
    points = [RobustnessPoint("jpeg", 50, high, high, 9), RobustnessPoint("blur", 1, low, low, 9)]
    plot_robustness(high, points, tmp_path / "robustness.png")
    assert (tmp_path / "robustness.png").stat().st_size > 0
    for axis in drawn[0].axes:
        bottom, top = axis.get_ylim()
        assert bottom <= 0.2
        assert top >= 1
    close(drawn[0])


def test_a_report_contains_every_figure_and_no_local_path(media: Path, tmp_path: Path) -> None:
    model = MANIFESTS / "variants" / "b0.yaml"
    request = EvaluationRequest(media, model, frames=2, corrupted=False)
    write_report(evaluate(request), tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    assert written >= {"scores.csv", "figures.json", "figures.csv", "index.html"}
    assert {"roc.png", "reliability.png"} <= written
    content = json.loads((tmp_path / "figures.json").read_text())
    whole = content["figures"][0]
    assert set(whole["figures"]["figures"]) == set(METRIC_NAMES)
    assert content["about"]["media without a face"] == 1
    assert content["about"]["weights"] is None
    page = (tmp_path / "index.html").read_text()
    for name in METRIC_NAMES.values():
        assert name in page
    for text in (page, (tmp_path / "figures.json").read_text()):
        assert str(media) not in text
        assert str(tmp_path) not in text
    with (tmp_path / "figures.csv").open() as stream:
        assert {row["figure"] for row in csv.DictReader(stream)} == set(METRIC_NAMES)
    assert len(read_scores(tmp_path / "scores.csv")) == 8


@pytest.fixture
def server() -> Iterator[str]:
    """A stub that responds with two distant faces; the integration tests use the real server."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            faces = [
                {"box": [0, 0, 50, 50], "fake_probability": 0.1},
                {"box": [100, 100, 200, 200], "fake_probability": 0.8},
            ]
            body = json.dumps({"faces": faces, "model": {"name": "detector"}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()


def test_the_prediction_of_the_server_is_matched_by_overlap(server: str) -> None:
    pixels = np.zeros((300, 300, 3), np.uint8)
    classifier = ServerPredictor(server)
    boxes = [(105.0, 95.0, 205.0, 195.0), (2.0, 2.0, 50.0, 50.0), (220.0, 0.0, 260.0, 40.0)]
    logits, found, details = classifier([FaceRegion(pixels, box, 0) for box in boxes])
    classifier.session.close()
    assert found[:2].tolist() == [0.8, 0.1]
    assert np.isnan(found[2])
    assert np.isnan(logits).all()
    assert np.isnan(details).all()
    assert classifier.model_info == {"name": "detector"}


def test_an_unreachable_server_is_an_error() -> None:
    classifier = ServerPredictor("http://127.0.0.1:9")
    region = FaceRegion(np.zeros((30, 30, 3), np.uint8), (0.0, 0.0, 9.0, 9.0), 0)
    with pytest.raises(requests.RequestException):
        classifier([region])
    classifier.session.close()
