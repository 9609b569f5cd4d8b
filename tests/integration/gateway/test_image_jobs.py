"""Images as jobs (`Prefer: respond-async`), on both job stores."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from tests.integration.gateway.conftest import MAX_IMAGE
from tests.support.published_schema import SCHEMA, checked_client
from tests.support.redis_server import RedisServer, redis_program
from tests.support.requests import problem_of, rpc_problem_of, same
from tests.support.running import GUARD_S, RunningGateway, RunningServer
from tests.support.videos import scenes, write_video
from tests.support.webhooks import webhook_receiver

pytestmark = pytest.mark.integration

ASYNC = {"Prefer": "respond-async"}


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def gateway(
    request: pytest.FixtureRequest,
    server: RunningServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp(f"image-jobs-{request.param}")
    settings: dict[str, Any] = {
        "max_image_bytes": MAX_IMAGE,
        "fetch_private": "127.0.0.0/8",
        "webhook_secret": "whsec_" + "c2VjcmV0" * 4,
    }
    redis = RedisServer(redis_program(), folder) if request.param == "redis" else None
    if redis is not None:
        redis.start()
        settings["jobs"] = redis.url
    with RunningGateway.start(folder, server.url, **settings) as running:
        yield running
        assert running.stop() == 0, running.tail()
    if redis is not None:
        redis.kill()


@pytest.fixture(scope="module")
def api(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with checked_client(gateway.url, timeout=GUARD_S) as client:
        yield client


def submit(api: httpx.Client, image: bytes, **given: Any) -> dict[str, Any]:
    headers = ASYNC | given.pop("headers", {})
    files = {"file": ("astronaut.jpg", image)}
    response = api.post("/v1/images", files=files, headers=headers, **given)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    assert response.headers["Preference-Applied"] == "respond-async"
    assert response.headers["Location"] == job["links"]["self"]
    return job


def ended(api: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    with api.stream("GET", job["links"]["events"], timeout=300) as events:
        for _ in events.iter_lines():
            pass
    document: dict[str, Any] = api.get(job["links"]["self"]).json()
    assert document["finished_at"], document
    return document


def test_the_result_is_the_verdict_of_a_request(api: httpx.Client, astronaut_jpeg: bytes) -> None:
    params = {"boxes": "relative", "explain": "true", "provenance": "true"}
    job = submit(api, astronaut_jpeg, params=params)
    assert (job["kind"], job["state"], job["result"]) == ("image", "queued", None)
    assert job["options"] == {
        "model": "detector",
        "boxes": "relative",
        "explain": True,
        "preview": False,
        "provenance": True,
    }
    completed = ended(api, job)
    verdict = api.post("/v1/images", content=astronaut_jpeg, params=params).json()
    result = completed["result"]
    assert (completed["state"], result["id"]) == ("succeeded", job["id"])
    assert same(result) == same(verdict)
    assert completed["summary"] == {k: result[k] for k in ("verdict", "fake_probability")}
    media = api.get(completed["links"]["media"])
    assert (media.content, media.headers["Content-Type"]) == (astronaut_jpeg, "image/jpeg")


def test_it_is_listed_and_deleted_as_other_jobs_are(
    api: httpx.Client, astronaut_jpeg: bytes
) -> None:
    job = ended(api, submit(api, astronaut_jpeg))
    found = api.get("/v1/jobs", params={"kind": "image", "q": job["id"]}).json()["jobs"]
    assert [each["id"] for each in found] == [job["id"]]
    assert found[0]["summary"] == job["summary"]
    assert api.delete(job["links"]["self"]).status_code == 204
    problem_of(api.get(job["links"]["self"]), 404, "not-found")
    problem_of(api.get(job["links"]["media"]), 404, "not-found")


def test_a_bad_image_fails_at_the_first_attempt(api: httpx.Client) -> None:
    job = ended(api, submit(api, b"a text, not an image"))
    assert (job["state"], job["attempt"]) == ("failed", 1)
    assert job["problem"]["type"].endswith(":unsupported-media-type")


def test_a_url_is_fetched_by_the_worker(
    api: httpx.Client, gateway: RunningGateway, astronaut_jpeg: bytes
) -> None:
    stored = ended(api, submit(api, astronaut_jpeg))
    url = f"{gateway.url}{stored['links']['media']}"
    response = api.post("/v1/images", json={"url": url}, headers=ASYNC)
    job = ended(api, response.json())
    assert (job["state"], job["source"]["url"], job["links"]["media"]) == ("succeeded", url, None)
    assert same(job["result"]) == same(stored["result"])
    refused = api.post("/v1/images", json={"url": "ftp://a/b"}, headers=ASYNC)
    problem_of(refused, 422, "refused-url")


def test_one_idempotency_key_creates_one_job(api: httpx.Client, astronaut_jpeg: bytes) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = (submit(api, astronaut_jpeg, headers=key) for _ in range(2))
    assert first["id"] == again["id"]
    files = {"file": ("a.jpg", astronaut_jpeg)}
    other = api.post("/v1/images?explain=true", files=files, headers=ASYNC | key)
    problem_of(other, 409, "conflict")


def test_a_webhook_is_notified(api: httpx.Client, astronaut_jpeg: bytes) -> None:
    with webhook_receiver() as (url, deliveries):
        job = submit(api, astronaut_jpeg, params={"webhook": url})
        end = time.monotonic() + 60
        while not deliveries and time.monotonic() < end:
            time.sleep(0.05)
    _, body = deliveries[0]
    event = json.loads(body)
    assert (event["type"], event["data"]["id"]) == ("job.succeeded", job["id"])
    SCHEMA.check_document("JobDocument", event["data"])


def test_what_no_job_can_have_is_refused(api: httpx.Client, astronaut_jpeg: bytes) -> None:
    for params, headers, status, slug in (
        ({"webhook": "http://127.0.0.1:9/"}, {}, 400, "invalid-request"),  # without a job
        ({"webhook": "http://xn--/"}, ASYNC, 422, "refused-url"),
        ({"model": "cats"}, ASYNC, 404, "unknown-model"),
        ({"boxes": "metres"}, ASYNC, 400, "invalid-request"),
    ):
        response = api.post("/v1/images", content=astronaut_jpeg, params=params, headers=headers)
        problem_of(response, status, slug)
    too_large = api.post("/v1/images", content=bytes(MAX_IMAGE + 1), headers=ASYNC)
    problem_of(too_large, 413, "too-large")


def test_a_batch_ignores_the_preference(api: httpx.Client, astronaut_jpeg: bytes) -> None:
    """RFC 7240, 2: a server may ignore preferences."""
    files = [("file", ("a.jpg", astronaut_jpeg))]
    response = api.post("/v1/images/batch", files=files, headers=ASYNC)
    assert (response.status_code, len(response.json()["results"])) == (200, 1)
    assert "Preference-Applied" not in response.headers


def test_images_do_not_wait_for_videos(
    api: httpx.Client, astronaut_jpeg: bytes, tmp_path: Path
) -> None:
    long_video = write_video(tmp_path / "long.mp4", scenes() * 8).read_bytes()
    videos = [
        api.post("/v1/videos", content=long_video, params={"sampling": f"every:{n}"}).json()
        for n in (1, 2)
    ]
    assert ended(api, submit(api, astronaut_jpeg))["state"] == "succeeded"
    assert api.get(videos[1]["links"]["self"]).json()["state"] == "queued"
    for video in videos:
        api.delete(video["links"]["self"])


def test_grpc_returns_the_same_job(
    api: httpx.Client, gateway: RunningGateway, astronaut_jpeg: bytes
) -> None:
    job = ended(api, submit(api, astronaut_jpeg))
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        message = DetectorStub(channel).GetJob(pb.JobRequest(id=job["id"]))
    assert (message.kind, message.state) == ("image", pb.JOB_STATE_SUCCEEDED)
    assert not message.HasField("result")
    assert message.image_result.fake_probability == job["result"]["fake_probability"]
    assert len(message.image_result.faces) == 1


def test_grpc_submits_what_rest_does(
    api: httpx.Client, gateway: RunningGateway, astronaut_jpeg: bytes
) -> None:
    options = {"relative_boxes": True, "explain": True, "provenance": True}
    params = {"boxes": "relative", "explain": "true", "provenance": "true"}
    same_key = {"idempotency_key": "by both"}
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        stub = DetectorStub(channel)
        request = pb.SubmitImageRequest(
            image=astronaut_jpeg, name="astronaut.jpg", **options, **same_key
        )
        message = stub.SubmitImage(request)
        job = submit(api, astronaut_jpeg, params=params, headers={"Idempotency-Key": "by both"})
        assert message.id == job["id"]
        assert dict(message.options) == job["options"]
        assert message.source.name == job["source"]["name"] == "astronaut.jpg"
        completed = ended(api, job)
        url = f"{gateway.url}{completed['links']['media']}"
        fetched = stub.SubmitImage(pb.SubmitImageRequest(url=url))
        assert ended(api, linked(fetched))["state"] == "succeeded"
        verdict = stub.GetJob(pb.JobRequest(id=job["id"])).image_result
        assert verdict.faces[0].heatmap.overlay
        assert verdict.faces[0].box.x1 == completed["result"]["faces"][0]["box"][0] < 1
        assert verdict.provenance.sha256
        assert not stub.DeleteJob(pb.JobRequest(id=job["id"])).HasField("cancelled")
    problem_of(api.get(job["links"]["self"]), 404, "not-found")


def linked(message: pb.Job) -> dict[str, Any]:
    """Returns a document with the links of a job."""
    path = f"/v1/jobs/{message.id}"
    return {"links": {"self": path, "events": f"{path}/events"}}


@pytest.mark.parametrize(
    ("given", "status", "slug"),
    [
        ({}, 400, "invalid-request"),
        ({"url": "ftp://a/b"}, 422, "refused-url"),
        ({"image": bytes(MAX_IMAGE + 1)}, 413, "too-large"),
        ({"image": b"x", "model": "cats"}, 404, "unknown-model"),
    ],
)
def test_grpc_refuses_what_rest_does(
    gateway: RunningGateway, given: dict[str, Any], status: int, slug: str
) -> None:
    with (
        grpc.insecure_channel(gateway.grpc_target) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        DetectorStub(channel).SubmitImage(pb.SubmitImageRequest(**given))
    rpc_problem_of(caught.value, caught.value.code(), status, slug)
