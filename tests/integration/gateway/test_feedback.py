"""Feedback through the gateway: labels of images and jobs, their list and their export."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from deepfake_serving.gateway.auth.keys import generate
from deepfake_serving.training.development.sets import read_sets
from tests.support.published_schema import checked_client
from tests.support.requests import problem_of
from tests.support.running import GUARD_S, RunningGateway, RunningServer

pytestmark = pytest.mark.integration

SCOPES = {"one": ["images", "videos", "jobs"], "two": ["images"], "chief": ["admin"]}


@pytest.fixture(scope="module")
def created() -> dict[str, tuple[str, str]]:
    return {name: generate(name, scopes) for name, scopes in SCOPES.items()}


@pytest.fixture(scope="module")
def running(
    server: RunningServer,
    created: dict[str, tuple[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("feedback")
    (folder / "keys.yaml").write_text("".join(entry for _, entry in created.values()))
    pool = {"name": "pool-0", "url": server.url, "grpc_port": server.ports["grpc"]}
    with RunningGateway.start(
        folder,
        routing=json.dumps({"pools": [pool]}),
        keys_file=folder / "keys.yaml",
        retain_image_bytes=2**24,
    ) as gateway:
        yield gateway
        assert gateway.stop() == 0


@pytest.fixture
def clients(
    running: RunningGateway, created: dict[str, tuple[str, str]]
) -> Iterator[dict[str, httpx.Client]]:
    opened = {
        name: checked_client(running.url, headers={"X-API-Key": key}, timeout=GUARD_S)
        for name, (key, _) in created.items()
    }
    yield opened
    for client in opened.values():
        client.close()


def _export_with_media(chief: httpx.Client) -> bytes:
    """Returns an export once it has media: images are stored within a second or so, not at once."""
    end = time.monotonic() + GUARD_S
    while time.monotonic() < end:
        exported = chief.get("/v1/feedback/export")
        assert exported.headers["Content-Type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
            if len(archive.namelist()) > 1:
                return exported.content
        time.sleep(0.2)
    raise AssertionError("the image was not stored")


def test_a_labelled_image_is_listed_and_exported(
    clients: dict[str, httpx.Client], astronaut_jpeg: bytes, tmp_path: Path
) -> None:
    one, two, chief = clients.values()
    image_id = one.post("/v1/images", content=astronaut_jpeg).json()["id"]
    body = {"id": image_id, "label": "fake", "face": 0, "note": "Käse"}
    given = one.post("/v1/feedback", json=body)
    assert given.status_code == 201
    assert (given.json()["label"], given.json()["verdict"], given.json()["media"]) == (
        "fake", "real", True,
    )  # fmt: skip
    problem_of(two.post("/v1/feedback", json=body), 404, "not-found")
    problem_of(two.get("/v1/feedback"), 403, "forbidden")
    problem_of(two.get("/v1/feedback/export"), 403, "forbidden")
    assert chief.get("/v1/feedback?limit=1").json()["feedback"][0] == given.json()
    problem_of(chief.get("/v1/feedback?cursor=x"), 422, "invalid-cursor")
    with zipfile.ZipFile(io.BytesIO(_export_with_media(chief))) as archive:
        archive.extractall(tmp_path)
    (media,) = read_sets(tmp_path)["feedback"]
    assert (media.fake, media.path.read_bytes()) == (True, astronaut_jpeg)
    problem_of(two.delete(f"/v1/feedback/images/{image_id}"), 404, "not-found")
    assert one.delete(f"/v1/feedback/images/{image_id}").status_code == 204
    assert image_id not in chief.get("/v1/feedback").text
    one.post("/v1/images", content=astronaut_jpeg, headers={"X-Request-ID": "of/mine"})
    assert one.delete("/v1/feedback/images/of%2Fmine").status_code == 204
    problem_of(one.delete("/v1/feedback/images/of%2Fmine"), 404, "not-found")


@pytest.mark.parametrize(
    "body",
    [
        {"label": "fake"},
        {"id": "x", "label": "suspicious"},
        {"id": "x", "label": "real", "face": -1},
        {"id": "x", "label": "real", "note": "x" * 1001},
        {"id": "x", "label": "real", "lable": "fake"},
        [],
    ],
    ids=["no id", "label", "face", "note", "misspelt", "no object"],
)
def test_malformed_feedback_is_refused(clients: dict[str, httpx.Client], body: object) -> None:
    problem_of(clients["one"].post("/v1/feedback", json=body), 400, "invalid-request")


def test_feedback_that_is_no_json_or_too_large_is_refused(
    clients: dict[str, httpx.Client],
) -> None:
    one = clients["one"]
    problem_of(one.post("/v1/feedback", content=b"{"), 400, "invalid-request")
    problem_of(one.post("/v1/feedback", content=bytes(300_000)), 413, "too-large")


def test_items_of_a_batch_and_images_over_grpc_can_be_labelled(
    running: RunningGateway,
    clients: dict[str, httpx.Client],
    created: dict[str, tuple[str, str]],
    astronaut_jpeg: bytes,
) -> None:
    files = [("file", (f"{n}.jpg", astronaut_jpeg)) for n in range(2)]
    results = clients["two"].post("/v1/images/batch", files=files).json()["results"]
    with grpc.insecure_channel(running.grpc_target) as channel:
        request = pb.DetectImageRequest(image=astronaut_jpeg)
        metadata = (("x-api-key", created["two"][0]),)
        verdict = DetectorStub(channel).DetectImage(request, metadata=metadata)
    for image_id in (results[1]["verdict"]["id"], verdict.id):
        body = {"id": image_id, "label": "real"}
        assert clients["two"].post("/v1/feedback", json=body).status_code == 201


def test_a_job_is_labelled_and_its_feedback_is_deleted_with_it(
    running: RunningGateway, clients: dict[str, httpx.Client], video: Path
) -> None:
    one, chief = clients["one"], clients["chief"]
    job_id = one.post("/v1/videos", content=video.read_bytes()).json()["id"]
    running.wait_until(
        lambda: one.get(f"/v1/jobs/{job_id}").json()["state"] == "succeeded", 300, "the job"
    )
    track = one.get(f"/v1/jobs/{job_id}").json()["result"]["shots"][0]["tracks"][0]["id"]
    for part in ({}, {"track": track}):
        body = {"id": job_id, "label": "real", **part}
        assert one.post("/v1/feedback", json=body).status_code == 201

    def labelled() -> int:
        found = chief.get("/v1/feedback").json()["feedback"]
        return sum(each["id"] == job_id for each in found)

    assert labelled() == 2
    names = zipfile.ZipFile(io.BytesIO(chief.get("/v1/feedback/export").content)).namelist()
    assert sum(f"-track-{track}.jpg" in name for name in names) == 1
    assert one.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert labelled() == 0


def test_feedback_is_given_over_grpc_with_the_same_checks(
    running: RunningGateway, created: dict[str, tuple[str, str]], astronaut_jpeg: bytes
) -> None:
    mine, others = ((("x-api-key", created[name][0]),) for name in ("two", "one"))
    with grpc.insecure_channel(running.grpc_target) as channel:
        stub = DetectorStub(channel)
        image = pb.DetectImageRequest(image=astronaut_jpeg)
        verdict = stub.DetectImage(image, metadata=mine)
        request = pb.FeedbackRequest(id=verdict.id, label=pb.VERDICT_FAKE, face=0, note="swapped")
        given = stub.SendFeedback(request, metadata=mine)
        assert (given.id, given.label, given.verdict) == (
            verdict.id, pb.VERDICT_FAKE, pb.VERDICT_REAL,
        )  # fmt: skip
        assert given.media
        assert given.fake_probability == pytest.approx(verdict.faces[0].fake_probability)
        unlabelled = pb.FeedbackRequest(id=verdict.id)
        long = pb.FeedbackRequest(id=verdict.id, label=pb.VERDICT_REAL, note="x" * 1001)
        for metadata, bad, code in (
            (others, request, grpc.StatusCode.NOT_FOUND),
            (mine, unlabelled, grpc.StatusCode.INVALID_ARGUMENT),
            (mine, long, grpc.StatusCode.INVALID_ARGUMENT),
            ((), request, grpc.StatusCode.UNAUTHENTICATED),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                stub.SendFeedback(bad, metadata=metadata)
            assert caught.value.code() is code
