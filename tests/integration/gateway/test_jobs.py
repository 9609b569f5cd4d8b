"""Videos as jobs: submitted, watched, cancelled, deleted, delivered, and killed processes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pytest

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from tests.integration.gateway.conftest import MAX_VIDEO
from tests.support.published_schema import SCHEMA, checked_client
from tests.support.requests import problem_of
from tests.support.running import GUARD_S, RunningGateway, RunningServer
from tests.support.videos import scenes, write_video
from tests.support.webhooks import Deliveries, webhook_receiver

pytestmark = pytest.mark.integration


def submit(api: httpx.Client, video: bytes, **given: Any) -> dict[str, Any]:
    response = api.post("/v1/videos", files={"file": ("scenes.mp4", video)}, **given)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    assert response.headers["Location"] == job["links"]["self"]
    return job


def ended(api: httpx.Client, job_id: str, within_s: float = 2 * GUARD_S) -> dict[str, Any]:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        job: dict[str, Any] = api.get(f"/v1/jobs/{job_id}").json()
        if job["finished_at"]:
            return job
        time.sleep(0.2)
    raise AssertionError(f"not ended: {job}")


@pytest.fixture(scope="session")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Writes a video that takes seconds to analyse."""
    return write_video(tmp_path_factory.mktemp("long") / "long.mp4", scenes() * 8).read_bytes()


def test_a_video_is_analysed_shot_by_shot(api: httpx.Client, video: Path) -> None:
    job = submit(api, video.read_bytes(), params={"sampling": "every:4"})
    assert (job["state"], job["source"]["name"]) == ("queued", "scenes.mp4")
    completed = ended(api, job["id"])
    assert (completed["state"], completed["attempt"], completed["cached"]) == (
        "succeeded",
        1,
        False,
    )
    result = completed["result"]
    assert [len(shot["tracks"]) for shot in result["shots"]] == [1, 0, 2]
    assert result["verdict"] == "real"
    assert result["id"] == job["id"]
    keyframes = {t["fake_probability"]: t["keyframe"] for s in result["shots"] for t in s["tracks"]}
    assert completed["summary"] == {
        "verdict": result["verdict"],
        "fake_probability": result["fake_probability"],
        "image": keyframes[max(keyframes)],
    }
    images = {*result["gallery"], result["shots"][0]["strip"]}
    images |= {track["keyframe"] for shot in result["shots"] for track in shot["tracks"]}
    for url in images:
        assert api.get(url).content.startswith(b"\xff\xd8"), url
    medium = api.get(completed["links"]["media"], headers={"Range": "bytes=4-7"})
    assert (medium.status_code, medium.content) == (206, b"ftyp")


def test_every_change_is_an_event_and_the_last_holds_the_result(
    api: httpx.Client, video: Path
) -> None:
    job = submit(api, video.read_bytes(), params={"sampling": "every:3"})
    events = []
    with api.stream("GET", job["links"]["events"]) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        name = ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            if line.startswith("data: "):
                events.append((name, json.loads(line.removeprefix("data: "))))
    for _, job in events:
        SCHEMA.check_document("JobDocument", job)
    assert events[-1][0] == "end"
    assert events[-1][1]["result"]["verdict"] == "real"
    assert {name for name, _ in events[:-1]} <= {"progress"}
    problem_of(api.get("/v1/jobs/nope/events"), 404, "not-found")


def test_the_same_video_gets_the_cached_result(api: httpx.Client, video: Path) -> None:
    first = ended(api, submit(api, video.read_bytes(), params={"sampling": "fps:3"})["id"])
    again = ended(api, submit(api, video.read_bytes(), params={"sampling": "fps:3"})["id"])
    assert (first["cached"], again["cached"]) == (False, True)
    assert again["result"]["fake_probability"] == first["result"]["fake_probability"]
    other = ended(api, submit(api, video.read_bytes(), params={"sampling": "fps:2"})["id"])
    assert other["cached"] is False
    assert api.delete(f"/v1/jobs/{first['id']}").status_code == 204
    assert api.get(again["result"]["gallery"][0]).status_code == 200, "it is a copy"
    third = ended(api, submit(api, video.read_bytes(), params={"sampling": "fps:3"})["id"])
    assert third["cached"] is True


def test_a_file_that_is_no_video_creates_no_job(
    api: httpx.Client, gateway: RunningGateway, astronaut_jpeg: bytes
) -> None:
    before = api.get("/v1/jobs").json()["jobs"]
    for content in (astronaut_jpeg, b"%PDF-1.7\n%"):
        problem_of(api.post("/v1/videos", content=content), 415, "unsupported-media-type")
        form = {"file": ("a.mp4", content)}
        problem_of(api.post("/v1/videos", files=form), 415, "unsupported-media-type")
    options = pb.SubmitVideoRequest(options=pb.VideoOptions(name="a.mp4"))
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        messages = [options, pb.SubmitVideoRequest(chunk=astronaut_jpeg)]
        with pytest.raises(grpc.RpcError) as caught:
            DetectorStub(channel).SubmitVideo(iter(messages), timeout=GUARD_S)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "still image (JPEG)" in caught.value.details()
    assert api.get("/v1/jobs").json()["jobs"] == before


def test_one_idempotency_key_creates_one_job(api: httpx.Client, video: Path) -> None:
    given = {"headers": {"Idempotency-Key": "once"}}
    first, again = (submit(api, video.read_bytes(), **given) for _ in range(2))
    assert first["id"] == again["id"]
    other = api.post("/v1/videos", content=b"other", headers={"Idempotency-Key": "once"})
    problem_of(other, 409, "conflict")


def test_a_running_job_is_cancelled_within_a_second(
    api: httpx.Client, long_video: bytes, gateway: RunningGateway
) -> None:
    job = submit(api, long_video, params={"sampling": "every:1", "aggregation": "mean"})
    while api.get(f"/v1/jobs/{job['id']}").json()["progress"]["frames"] == 0:
        time.sleep(0.02)
    begun = time.monotonic()
    assert api.delete(f"/v1/jobs/{job['id']}").status_code == 202
    completed = ended(api, job["id"])
    assert completed["state"] == "cancelled"
    print(f"cancelled in {time.monotonic() - begun:.2f} s")
    assert completed["result"] is None


def test_a_deleted_job_leaves_no_objects(api: httpx.Client, video: Path) -> None:
    completed = ended(api, submit(api, video.read_bytes())["id"])
    assert api.delete(completed["links"]["self"]).status_code == 204
    for url in (
        completed["links"]["self"],
        completed["links"]["media"],
        completed["result"]["gallery"][0],
    ):
        problem_of(api.get(url), 404, "not-found")
    problem_of(api.delete(completed["links"]["self"]), 404, "not-found")


@pytest.mark.parametrize(
    ("content", "slug"),
    [
        (b"a text", "unsupported-media-type"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(90), "undecodable-media"),
    ],
)
def test_an_invalid_video_fails_without_retries(
    api: httpx.Client, content: bytes, slug: str
) -> None:
    completed = ended(api, submit(api, content)["id"])
    assert (completed["state"], completed["attempt"]) == ("failed", 1)
    assert completed["problem"]["type"].endswith(slug)


@pytest.mark.parametrize(
    ("given", "status", "slug"),
    [
        ({"params": {"sampling": "often"}}, 400, "invalid-request"),
        ({"params": {"aggregation": "best"}}, 400, "invalid-request"),
        ({"params": {"webhook": "ftp://x"}}, 422, "refused-url"),
        ({"headers": {"Idempotency-Key": "x" * 201}}, 400, "invalid-request"),
    ],
    ids=str,
)
def test_an_invalid_option_is_refused_at_once(
    api: httpx.Client, given: dict[str, Any], status: int, slug: str
) -> None:
    problem_of(api.post("/v1/videos", content=b"x", **given), status, slug)


def test_a_refused_webhook_is_named(api: httpx.Client) -> None:
    """A request may have a URL of the media, too."""
    response = api.post("/v1/videos", content=b"x", params={"webhook": "ftp://x"})
    assert response.json()["detail"].startswith("webhook: ")


def test_a_reconnect_after_the_end_gets_no_content(api: httpx.Client) -> None:
    """204 ends the reconnecting of a browser's EventSource."""
    job = ended(api, submit(api, b"no video")["id"])
    events = api.get(job["links"]["events"]).text.replace("\r\n", "\n")
    assert "event: end\n" in events
    (last,) = [line.removeprefix("id: ") for line in events.splitlines() if line.startswith("id:")]
    again = api.get(job["links"]["events"], headers={"Last-Event-ID": last})
    assert (again.status_code, again.content) == (204, b"")
    missed = api.get(job["links"]["events"], headers={"Last-Event-ID": "1"})
    assert "event: end\n" in missed.text.replace("\r\n", "\n")


def test_a_video_over_the_limit_is_refused(api: httpx.Client) -> None:
    problem_of(api.post("/v1/videos", content=bytes(MAX_VIDEO + 1)), 413, "too-large")


def test_jobs_are_listed_and_found(api: httpx.Client, video: Path) -> None:
    completed = ended(api, submit(api, video.read_bytes())["id"])
    page = api.get("/v1/jobs", params={"limit": 1}).json()
    assert page["jobs"][0]["id"] == completed["id"]
    assert page["next"]
    rest = api.get("/v1/jobs", params={"limit": 200, "cursor": page["next"]}).json()
    assert completed["id"] not in {job["id"] for job in rest["jobs"]}
    found = api.get("/v1/jobs", params={"state": "succeeded", "q": "SCENES"}).json()
    assert found["jobs"][0]["summary"]["verdict"] == "real"


@pytest.fixture
def webhook() -> Iterator[tuple[str, Deliveries]]:
    with webhook_receiver() as receiver:
        yield receiver


def test_a_webhook_is_delivered_signed_and_retried(
    api: httpx.Client, video: Path, webhook: tuple[str, Deliveries]
) -> None:
    url, deliveries = webhook
    job = submit(api, video.read_bytes(), params={"webhook": url})
    end = time.monotonic() + 60
    while len(deliveries) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    headers, body = deliveries[1]
    assert json.loads(body)["type"] == "job.succeeded"
    assert json.loads(body)["data"]["id"] == job["id"] == headers["webhook-id"]
    SCHEMA.check_document("JobDocument", json.loads(body)["data"])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode("c2VjcmV0" * 4)
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_grpc_returns_the_same_job(stub: DetectorStub, api: httpx.Client, video: Path) -> None:
    data = video.read_bytes()
    options = pb.VideoOptions(name="scenes.mp4", sampling="every:6")
    parts = [pb.SubmitVideoRequest(options=options)]
    parts += [pb.SubmitVideoRequest(chunk=data[i : i + 9999]) for i in range(0, len(data), 9999)]
    job = stub.SubmitVideo(iter(parts))
    *_, last = stub.WatchJob(pb.JobRequest(id=job.id))
    assert last.state == pb.JOB_STATE_SUCCEEDED
    document = ended(api, job.id)
    assert last.result.fake_probability == document["result"]["fake_probability"]
    assert [len(shot.tracks) for shot in last.result.shots] == [1, 0, 2]
    assert stub.GetJob(pb.JobRequest(id=job.id)) == last


def test_the_worker_of_a_gateway_yields_to_requests(gateway: RunningGateway) -> None:
    """27 hostile videos took more processor time than all other hostile requests."""
    serving, working = gateway.servers()
    lower = min(serving.nice() + 5, 19)
    gateway.wait_until(lambda: working.nice() == lower, 60, "of a lower priority")


# Kills -------------------------------------------------------------------------------------------


def test_a_killed_worker_costs_an_attempt_but_no_job(
    gateway: RunningGateway, api: httpx.Client, long_video: bytes
) -> None:
    job = submit(api, long_video, params={"sampling": "every:5"})
    while api.get(f"/v1/jobs/{job['id']}").json()["progress"]["frames"] == 0:
        time.sleep(0.02)
    killed = gateway.worker()
    killed.kill()
    completed = ended(api, job["id"])
    assert (completed["state"], completed["attempt"]) == ("succeeded", 2)
    assert gateway.worker().pid != killed.pid


@pytest.mark.slow
def test_a_killed_gateway_has_lost_no_accepted_job(
    server: RunningServer, tmp_path: Path, long_video: bytes, video: Path
) -> None:
    """kill -9 of the gateway and its worker in the middle of one job, with others in the queue."""
    with RunningGateway.start(tmp_path, server.url, lease_s=2) as first:
        with checked_client(first.url, timeout=GUARD_S) as api:
            ids = [submit(api, long_video)["id"]]
            ids += [submit(api, video.read_bytes(), params={"sampling": f"every:{n}"})["id"]
                    for n in (2, 3, 4)]  # fmt: skip
        worker = first.worker()
        first.process.send_signal(signal.SIGKILL)
        worker.kill()
    with RunningGateway.start(tmp_path, server.url, lease_s=2) as second:
        with checked_client(second.url, timeout=GUARD_S) as api:
            assert [ended(api, job_id)["state"] for job_id in ids] == ["succeeded"] * 4
        assert second.stop() == 0


def test_a_killed_gateway_ends_its_worker(server: RunningServer, tmp_path: Path) -> None:
    with RunningGateway.start(tmp_path, server.url) as gateway:
        worker = gateway.worker()
        gateway.process.kill()
        psutil.wait_procs([worker], timeout=30)
        assert not worker.is_running()


@pytest.mark.slow
def test_a_stopped_gateway_releases_its_job(
    server: RunningServer, tmp_path: Path, long_video: bytes
) -> None:
    settings = {"lease_s": 60, "worker_drain_s": 0}
    with RunningGateway.start(tmp_path, server.url, **settings) as first:
        with checked_client(first.url, timeout=GUARD_S) as api:
            job = submit(api, long_video, params={"sampling": "every:6"})
            while api.get(f"/v1/jobs/{job['id']}").json()["state"] != "running":
                time.sleep(0.02)
        assert first.stop() == 0
    with RunningGateway.start(tmp_path, server.url, **settings) as second:
        with checked_client(second.url, timeout=GUARD_S) as api:
            completed = ended(api, job["id"])
            assert (completed["state"], completed["attempt"]) == ("succeeded", 1)
        assert second.stop() == 0
