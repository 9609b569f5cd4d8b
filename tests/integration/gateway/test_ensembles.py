"""The shipped ensemble over two real model servers, whole and while one of its members is down."""

from __future__ import annotations

import base64
import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pytest
import yaml

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as oip
from deepfake_serving.contracts.protos.inference.open_inference_pb2_grpc import (
    GRPCInferenceServiceStub,
)
from deepfake_serving.ensembles.combine import combine
from deepfake_serving.ensembles.spec import FOLDER, find_ensemble
from deepfake_serving.packaging.archive import build_archive
from deepfake_serving.packaging.bundled import packable_manifests
from tests.support.build_cache import built
from tests.support.load import LoadClients
from tests.support.running import GUARD_S, RunningGateway, RunningServer
from tests.support.videos import scenes, write_video

pytestmark = pytest.mark.integration

ENSEMBLE = find_ensemble("ensemble")
FIRST, LAST = "detector,detector-gpu", "detector-mixed"


@pytest.fixture(scope="module")
def members() -> Path:
    """The folder with the archives of all members."""

    def build(out: Path) -> None:
        for name in ENSEMBLE.models:
            build_archive(packable_manifests()[name], out)

    return built("members", build)


@pytest.fixture(scope="module")
def servers(members: Path) -> Iterator[tuple[RunningServer, RunningServer]]:
    settings = {"workers": 1, "request_timeout_s": GUARD_S}
    with (
        RunningServer.start(members, models=FIRST, **settings) as first,
        RunningServer.start(members, models=LAST, **settings) as last,
    ):
        yield first, last


@pytest.fixture(scope="module")
def gateway(
    servers: tuple[RunningServer, RunningServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    data = tmp_path_factory.mktemp("gateway")
    pools = [{"name": f"pool-{n}", "url": server.url} for n, server in enumerate(servers)]
    settings = {
        "routing": json.dumps({"pools": pools}),
        "ensembles": str(data / "ensemble.yaml"),
        "request_timeout_s": GUARD_S,
    }
    shipped = yaml.safe_load((FOLDER / "ensemble.yaml").read_text())
    (data / "ensemble.yaml").write_text(yaml.safe_dump(shipped | {"timeout_s": GUARD_S}))
    with RunningGateway.start(data, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def api(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=GUARD_S) as client:
        yield client


def detect(api: httpx.Client, image: bytes, model: str) -> dict[str, Any]:
    response = api.post("/v1/images", params={"model": model}, content=image)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def test_a_member_agrees_with_itself_alone(api: httpx.Client, three_faces_jpeg: bytes) -> None:
    together = detect(api, three_faces_jpeg, "ensemble")
    assert len(together["faces"]) == 3
    for model in ENSEMBLE.models:
        alone = detect(api, three_faces_jpeg, model)
        for face, single in zip(together["faces"], alone["faces"], strict=True):
            score = face["models"][model]["fake_probability"]
            assert score == pytest.approx(single["fake_probability"], abs=1e-3)
            assert face["box"] == single["box"]
    for face in together["faces"]:
        scores = {m: s["fake_probability"] for m, s in face["models"].items()}
        assert face["fake_probability"] == combine(ENSEMBLE, scores)
    assert together["model"]["name"] == "ensemble"


def test_the_ensemble_is_listed_with_its_members_and_their_cost(
    api: httpx.Client, gateway: RunningGateway, astronaut_jpeg: bytes
) -> None:
    detect(api, astronaut_jpeg, "ensemble")

    def models() -> dict[str, Any]:
        return {model["name"]: model for model in api.get("/v1/models").json()["models"]}

    def have_times() -> bool:
        return all(models()[name]["cost"]["image_ms"] for name in ENSEMBLE.models)

    gateway.wait_until(have_times, GUARD_S, "the times of all members are known")
    listed = models()
    assert listed["ensemble"]["task"] == "ensemble"
    assert [member["model"] for member in listed["ensemble"]["members"]] == ENSEMBLE.models
    for model in ENSEMBLE.models:
        cost = listed[model]["cost"]
        assert (cost["device"], cost["workers"]) == ("cpu", 1)
        assert cost["memory_bytes"] > 50e6
        assert cost["image_ms"] > 0


def test_batches_and_grpc_give_the_same_scores(
    api: httpx.Client, gateway: RunningGateway, astronaut_jpeg: bytes
) -> None:
    expected = detect(api, astronaut_jpeg, "ensemble")["faces"][0]["models"]
    files = [("file", ("a.jpg", astronaut_jpeg)), ("file", ("b.txt", b"no image"))]
    batch = api.post("/v1/images/batch", params={"model": "ensemble"}, files=files).json()
    first, second = batch["results"]
    assert first["verdict"]["faces"][0]["models"] == expected
    assert second["problem"]["type"].endswith("unsupported-media-type")
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        request = pb.DetectImageRequest(image=astronaut_jpeg, model="ensemble")
        verdict = DetectorStub(channel).DetectImage(request)
    scores = {m: {"fake_probability": p} for m, p in verdict.faces[0].models.items()}
    assert scores == expected


def test_the_open_inference_protocol_gives_the_same_scores(
    api: httpx.Client, gateway: RunningGateway, astronaut_jpeg: bytes
) -> None:
    expected = detect(api, astronaut_jpeg, "ensemble")
    tensor = oip.ModelInferRequest.InferInputTensor(
        name="images",
        datatype="BYTES",
        shape=[1],
        contents=oip.InferTensorContents(bytes_contents=[astronaut_jpeg]),
    )
    output = oip.ModelInferRequest.InferRequestedOutputTensor(name="result")
    request = oip.ModelInferRequest(model_name="ensemble", inputs=[tensor], outputs=[output])
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        response = GRPCInferenceServiceStub(channel).ModelInfer(request)
    (raw,) = response.raw_output_contents
    instance = {"image": {"b64": base64.b64encode(astronaut_jpeg).decode()}}
    predicted = api.post("/v1/models/ensemble:predict", json={"instances": [instance]}).json()
    for document in (json.loads(raw[4:]), *predicted["predictions"]):
        assert document["fake_probability"] == pytest.approx(expected["fake_probability"], abs=1e-4)
        assert document["faces"][0]["models"].keys() == expected["faces"][0]["models"].keys()


def test_a_video_has_the_scores_of_each_member(
    api: httpx.Client, gateway: RunningGateway, tmp_path: Path
) -> None:
    video = write_video(tmp_path / "scenes.mp4", scenes())
    job = api.post("/v1/videos", params={"model": "ensemble"}, content=video.read_bytes()).json()
    url = job["links"]["self"]
    gateway.wait_until(lambda: bool(api.get(url).json()["finished_at"]), GUARD_S, "the job ends")
    result = api.get(url).json()["result"]
    tracks = [track for shot in result["shots"] for track in shot["tracks"]]
    assert tracks
    for track in tracks:
        assert set(track["models"]) == set(ENSEMBLE.models)
        assert all("fake_probability" in score for score in track["models"].values())


@pytest.mark.slow
def test_a_member_that_is_killed_under_load_fails_no_request(
    api: httpx.Client,
    gateway: RunningGateway,
    servers: tuple[RunningServer, RunningServer],
    astronaut_jpeg: bytes,
) -> None:
    """Last in this file: the member stays down."""
    _, last = servers
    with LoadClients(f"{gateway.url}/v1/images?model=ensemble", astronaut_jpeg, 4) as clients:
        clients.until(20)
        _kill(last)
        clients.until(40)
        counts = clients.stop()
    assert counts.failed == []
    verdict = detect(api, astronaut_jpeg, "ensemble")
    (face,) = verdict["faces"]
    assert set(face["models"]["detector-mixed"]) == {"unavailable"}
    assert face["models"]["detector"]["fake_probability"] > 0
    assert verdict["warnings"]
    by_model = _scored(httpx.get(gateway.metrics_url, timeout=GUARD_S).text)
    print(f"responses: {counts.statuses}; scores by member: {by_model}")
    assert by_model["detector"] > by_model["detector-mixed"] > 0


def _kill(server: RunningServer) -> None:
    process = psutil.Process(server.pid)
    for each in [process, *process.children(recursive=True)]:
        each.send_signal(signal.SIGKILL)


def _scored(metrics: str) -> Counter[str]:
    """Returns how many faces each member has scored."""
    counts: Counter[str] = Counter()
    for line in metrics.splitlines():
        if line.startswith("deepfake_ensemble_member_score_count"):
            counts[line.split('model="')[1].split('"')[0]] += round(float(line.split()[-1]))
    return counts
