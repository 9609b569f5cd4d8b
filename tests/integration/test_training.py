"""From portraits to a verdict: trained, exported, packed and served, each by its own command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import yaml

from deepfake_serving.packaging.archive import build_archive
from deepfake_serving.training.data.augmentation import Augmentation
from deepfake_serving.training.data.blending import self_blend
from deepfake_serving.training.data.face_regions import FaceRegion
from deepfake_serving.training.data.portraits import Portrait
from model_handlers.manifest import read_manifest
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceDetector
from tests.support.paths import MANIFESTS, ROOT
from tests.support.running import GUARD_S, RunningServer

pytestmark = [pytest.mark.integration, pytest.mark.slow]
DETECTOR = "/predictions/detector"


def training(*arguments: object) -> str:
    completed = subprocess.run(
        [sys.executable, "-m", "deepfake_serving.training", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr[-3000:]
    return completed.stdout


@pytest.fixture(scope="module")
def portraits(astronaut: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images of one head in different light: enough to overfit."""
    folder = tmp_path_factory.mktemp("portraits")
    for number in range(8):
        image = cv2.convertScaleAbs(astronaut[:320, 60:400], alpha=0.6 + 0.08 * number)
        image = image[:, ::-1] if number % 2 else image
        cv2.imwrite(str(folder / f"{number}.png"), np.ascontiguousarray(image[:, :, ::-1]))
    return folder


def test_a_trained_model_is_exported_packed_and_served(
    portraits: Path, tmp_path: Path, astronaut_jpeg: bytes
) -> None:
    manifest = tmp_path / "tiny.yaml"
    data = yaml.safe_load((MANIFESTS / "detector.yaml").read_text())
    data |= {"name": "tiny", "crop": {"size": 64}, "reference": None, "weights": None}
    data["encoder"]["architecture"] = "test_efficientnet"  # timm's smallest
    manifest.write_text(yaml.safe_dump(data))
    spec = tmp_path / "spec.yaml"
    settings = {"model": str(manifest), "epochs": 4, "batch_size": 8, "precision": "fp32"}
    settings["initial"] = "scratch"
    settings["data"] = {"held_out": 0, "reuse": 4, "self_share": 1.0}
    spec.write_text(yaml.safe_dump(settings))
    run, store = tmp_path / "run", tmp_path / "store"
    cache = tmp_path / "cache"
    training("train", portraits, "--spec", spec, "--out", run, "--cache", cache, "--workers", 1)
    assert len((run / "log.jsonl").read_text().splitlines()) == 4
    training(
        *("export", run, "--model", manifest, "--version", "0.1", "--out", store),
        *("--graphs", tmp_path / "graphs", "--licence", "CC0-1.0"),
    )
    assert read_manifest(manifest).trained
    archives = tmp_path / "archives"
    digest = build_archive(manifest, archives, store).digest
    with RunningServer.start(archives, models="tiny") as server:
        response = httpx.post(
            f"{server.url}/predictions/tiny", content=astronaut_jpeg, timeout=GUARD_S
        )
        assert response.status_code == 200
        assert response.json()["model"]["trained"] is True
        assert response.json()["model"]["digest"] == digest
        assert server.stop() == 0


def test_a_blended_face_scores_higher_than_its_original(
    http: httpx.Client, astronaut: Pixels, face_detector: FaceDetector
) -> None:
    """The shipped weights, over REST, on blends of a face that is not in their training data."""
    (face,) = face_detector.detect([astronaut])[0]
    points = np.array(face.landmarks, np.float32)
    portrait = Portrait(Path("astronaut.png"), "", "astronaut", face.box, points)
    channel = Augmentation(scale=1.6)
    original = _probability(http, channel.apply(astronaut))
    fakes = [
        _probability(http, channel.apply(self_blend(astronaut, portrait, rng).fake))
        for rng in map(np.random.default_rng, range(12))
    ]
    assert original < 0.5
    assert np.mean([fake > original for fake in fakes]) >= 0.75
    assert np.mean(fakes) > original + 0.1


def test_the_server_predicts_like_the_local_model(
    server: RunningServer, astronaut: Pixels, face_detector: FaceDetector
) -> None:
    # PyTorch, which no other integration test loads into this process.
    from deepfake_serving.training.predict.predictor import LocalPredictor
    from deepfake_serving.training.predict.server_predictor import ServerPredictor
    from deepfake_serving.training.predict.weights import pinned_weights

    cut = np.ascontiguousarray(astronaut[:300, 50:400])
    (face,) = face_detector.detect([cut])[0]
    region = FaceRegion(cut, face.box, 0)
    manifest = read_manifest(MANIFESTS / "detector.yaml")
    local = LocalPredictor(manifest, pinned_weights(manifest))([region])
    classifier = ServerPredictor(server.url)
    remote = classifier([region])
    classifier.session.close()
    assert remote.probabilities[0] == pytest.approx(local.probabilities[0], abs=0.01)
    assert classifier.model_info is not None
    assert classifier.model_info["trained"] is True


def _probability(http: httpx.Client, image: Pixels) -> float:
    _, png = cv2.imencode(".png", image[:, :, ::-1])
    response = http.post(DETECTOR, content=png.tobytes())
    assert response.status_code == 200, json.dumps(response.json())
    return float(response.json()["fake_probability"])
