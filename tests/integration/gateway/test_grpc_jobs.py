"""Options and fields that REST has, over gRPC: relative boxes, lists of jobs, deliveries."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from tests.integration.gateway.test_image_jobs import ended, submit
from tests.support.requests import rpc_problem_of
from tests.support.webhooks import webhook_receiver

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_defects")]


def test_boxes_are_relative_on_request(
    api: httpx.Client, stub: DetectorStub, astronaut_jpeg: bytes
) -> None:
    response = api.post("/v1/images?boxes=relative", content=astronaut_jpeg)
    (face,) = response.json()["faces"]
    one = stub.DetectImage(pb.DetectImageRequest(image=astronaut_jpeg, relative_boxes=True))
    batch = stub.DetectBatch(pb.DetectBatchRequest(images=[astronaut_jpeg], relative_boxes=True))
    for verdict in (one, batch.results[0].verdict):
        box = verdict.faces[0].box
        assert [box.x1, box.y1, box.x2, box.y2] == face["box"]
        assert [[p.x, p.y] for p in verdict.faces[0].landmarks] == face["landmarks"]


def test_the_delivery_of_a_webhook_is_reported(
    api: httpx.Client, stub: DetectorStub, astronaut_jpeg: bytes
) -> None:
    with webhook_receiver() as (url, _):
        job = submit(api, astronaut_jpeg, params={"webhook": url})
        request, end = pb.JobRequest(id=job["id"]), time.monotonic() + 120
        while (message := stub.GetJob(request)).webhook.state != "delivered":
            assert message.webhook.state in ("waiting", "pending")
            assert time.monotonic() < end
            time.sleep(0.2)
    assert message.webhook.attempts == 2
    assert message.created_at < message.webhook.last_attempt_at <= time.time()
    without = submit(api, astronaut_jpeg)
    assert not stub.GetJob(pb.JobRequest(id=without["id"])).HasField("webhook")


def test_jobs_are_listed_as_over_rest(
    api: httpx.Client, stub: DetectorStub, astronaut_jpeg: bytes
) -> None:
    first, second, bad = (
        ended(api, submit(api, image)) for image in (astronaut_jpeg, astronaut_jpeg, b"a text")
    )
    since = stub.GetJob(pb.JobRequest(id=first["id"])).created_at

    def ids(**given: Any) -> list[str]:
        filters = {"kind": "image", "created_from": since, **given}
        return [job.id for job in stub.ListJobs(pb.ListJobsRequest(**filters)).jobs]

    one, two, three = first["id"], second["id"], bad["id"]
    assert ids() == [three, two, one]
    assert ids(state=pb.JOB_STATE_FAILED) == [three]
    assert ids(verdict=pb.VERDICT_REAL) == [two, one]
    assert ids(verdict=pb.VERDICT_FAKE) == ids(kind="video", text=one) == []
    assert ids(min_probability=0.0) == [two, one]
    assert ids(max_probability=0.0) == []
    assert ids(text=two) == [two]
    assert ids(created_before=since) == []
    page = stub.ListJobs(pb.ListJobsRequest(kind="image", created_from=since, limit=2))
    assert [job.id for job in page.jobs] == [three, two]
    assert page.jobs[1].summary.verdict == pb.VERDICT_REAL
    assert page.jobs[1].source.name == "astronaut.jpg"
    assert not page.jobs[1].HasField("image_result")
    assert ids(cursor=page.next_cursor) == [one]


@pytest.mark.parametrize(
    ("given", "slug", "status"),
    [
        ({"limit": 201}, "invalid-request", 400),
        ({"min_probability": 1.5}, "invalid-request", 400),
        ({"max_probability": float("nan")}, "invalid-request", 400),
        ({"created_from": float("inf")}, "invalid-request", 400),
        ({"state": 99}, "invalid-request", 400),
        ({"verdict": 99}, "invalid-request", 400),
        ({"text": "x" * 201}, "invalid-request", 400),
        ({"cursor": "nan:x"}, "invalid-cursor", 422),
    ],
)
def test_a_bad_filter_is_refused(
    stub: DetectorStub, given: dict[str, Any], slug: str, status: int
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ListJobs(pb.ListJobsRequest(**given))
    rpc_problem_of(caught.value, grpc.StatusCode.INVALID_ARGUMENT, status, slug)


def test_the_keyframes_of_a_video_have_heatmaps_on_request(
    api: httpx.Client, stub: DetectorStub, video: Path
) -> None:
    options = pb.VideoOptions(name="scenes.mp4", sampling="every:8", explain=True)
    parts = [pb.SubmitVideoRequest(options=options)]
    parts.append(pb.SubmitVideoRequest(chunk=video.read_bytes()))
    job = stub.SubmitVideo(iter(parts))
    document = ended(
        api, {"links": {"self": f"/v1/jobs/{job.id}", "events": f"/v1/jobs/{job.id}/events"}}
    )
    assert document["options"]["explain"] is True
    tracks = [track for shot in document["result"]["shots"] for track in shot["tracks"]]
    messages = [t for s in stub.GetJob(pb.JobRequest(id=job.id)).result.shots for t in s.tracks]
    assert tracks
    for track, message in zip(tracks, messages, strict=True):
        heatmap, sent = track["heatmaps"]["detector"], message.heatmaps["detector"]
        assert heatmap["image"] in document["result"]["gallery"]
        assert api.get(heatmap["image"]).content.startswith(b"\xff\xd8")
        overlay = api.get(heatmap["overlay"])
        assert overlay.headers["Content-Type"] == "image/png"
        assert overlay.content.startswith(b"\x89PNG")
        assert [list(row.values) for row in sent.rows] == heatmap["grid"]
        assert (sent.image, sent.overlay) == (heatmap["image"], heatmap["overlay"])
        assert sent.offset == heatmap["offset"]
    plain = api.post("/v1/videos?sampling=every:8", content=video.read_bytes()).json()
    repeated = ended(api, plain)
    assert not repeated["cached"], "the result with heatmaps is another one"
    assert not any(t["heatmaps"] for s in repeated["result"]["shots"] for t in s["tracks"])
