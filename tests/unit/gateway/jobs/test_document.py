"""Links of a result's images, and a result that is inserted into its job's document."""

from __future__ import annotations

import json
from dataclasses import replace

from deepfake_serving.contracts.jobs import Job, Source, WebhookDelivery
from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.contracts.video import Shot, Track, TrackFrame, VideoVerdict
from deepfake_serving.gateway.documents import WebhookDocument
from deepfake_serving.gateway.jobs.document import (
    image_name,
    job_document,
    link_result,
    raw_result,
    thumbnail,
)
from deepfake_serving.runtime.serialization import to_json

TRACK = Track("0", "real", 0.1, 0.0, [TrackFrame(0.0, [1, 2, 3, 4], 0.1)], "key.jpg", None)
VERDICT = VideoVerdict(
    verdict="real",
    fake_probability=0.1,
    uncertainty=0.0,
    aggregation="shots",
    shots=[Shot(0.0, 1.0, "real", 0.1, [TRACK], "strip.jpg")],
    frames_analyzed=1,
    frames_with_face=1,
    fake_frame_ratio=0.0,
    duration_s=1.0,
    frame_rate=25.0,
    width=64,
    height=64,
    complete=True,
    model=ModelRef("detector", "1.0", None, True),
    gallery=["key.jpg", "strip.jpg"],
)
JOB = Job("a", "video", "succeeded", Source("film.mp4"), {}, 1000.0)


def test_images_in_a_result_become_links() -> None:
    linked = link_result(VERDICT, "a")
    assert linked.gallery == ["/v1/jobs/a/gallery/key.jpg", "/v1/jobs/a/gallery/strip.jpg"]
    (shot,) = linked.shots
    assert shot.strip == "/v1/jobs/a/gallery/strip.jpg"
    assert shot.tracks[0].keyframe == "/v1/jobs/a/gallery/key.jpg"
    assert shot.tracks[0].median_frame is None
    assert [image_name(link) for link in linked.gallery] == VERDICT.gallery


def test_links_of_another_job_are_replaced() -> None:
    assert link_result(link_result(VERDICT, "b"), "a") == link_result(VERDICT, "a")


def test_a_result_inserted_as_json_gives_the_same_document_as_a_typed_one() -> None:
    result = link_result(VERDICT, "a")
    inserted = to_json(job_document(JOB), raw_result(to_json(result)))
    assert json.loads(inserted) == json.loads(to_json(replace(job_document(JOB), result=result)))
    assert json.loads(to_json(job_document(JOB), raw_result(None)))["result"] is None


def test_a_list_shows_the_most_suspicious_face_else_a_shot() -> None:
    higher = replace(TRACK, fake_probability=0.9, keyframe="/v1/jobs/b/gallery/high.jpg")
    shots = [VERDICT.shots[0], replace(VERDICT.shots[0], tracks=[TRACK, higher])]
    assert thumbnail(replace(VERDICT, shots=shots)) == "high.jpg"
    assert thumbnail(replace(VERDICT, shots=[replace(shots[0], tracks=[])])) == "strip.jpg"
    assert thumbnail(replace(VERDICT, shots=[])) is None


def test_the_image_of_a_summary_is_a_path_of_its_job() -> None:
    summary = {"verdict": "real", "fake_probability": 0.1, "image": "key.jpg"}
    shown = job_document(replace(JOB, summary=summary)).summary
    assert shown is not None
    assert shown.image == "/v1/jobs/a/gallery/key.jpg"
    del summary["image"]
    assert (
        "image" not in json.loads(to_json(job_document(replace(JOB, summary=summary))))["summary"]
    )


def test_the_delivery_of_a_webhook_is_part_of_the_document() -> None:
    assert job_document(JOB).webhook is None
    running = replace(JOB, state="running", webhook="https://example.org")
    assert job_document(running).webhook == WebhookDocument("waiting", 0, None)
    delivered = replace(running, state="failed", delivery=WebhookDelivery("delivered", 2, 0.0))
    at = "1970-01-01T00:00:00.000+00:00"
    assert job_document(delivered).webhook == WebhookDocument("delivered", 2, at)
