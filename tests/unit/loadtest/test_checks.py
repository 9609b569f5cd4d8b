"""Responses that fit the media of their request pass; all others fail."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from deepfake_serving.contracts.problems import MEDIA_TYPE, NotReady, Overloaded, StorageFull
from deepfake_serving.gateway.http.openapi.examples import IMAGE, JOB
from loadtest import checks
from loadtest.media import Image, Video
from loadtest.responses import InvalidResponse, Refused, problem, read_document

FACE = Image(b"", 1, (512, 512))
CUP = Image(b"", 0, (600, 400))
FILM = Video(b"", 1, (320, 240))
BLANK = {"verdict": "no_face", "fake_probability": None, "faces": [], "width": 600, "height": 400}


def changed(document: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    """Returns a copy with one value changed."""
    made = copy.deepcopy(document)
    *way, last = path
    part = made
    for each in way:
        part = part[each]
    part[last] = to
    return made


def without(document: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != key}


# documents


def test_a_document_is_parsed():
    assert read_document(200, "application/json; charset=utf-8", b'{"a": 1}') == {"a": 1}
    assert read_document(204, "", b"", expected=204) == {}


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (200, "application/json", b"nothing"),
        (200, "application/json", b"[]"),
        (200, "text/html", b"{}"),
        (202, "application/json", b"{}"),
        (502, "text/html", b"<h1>Bad Gateway</h1>"),
        (429, "text/plain", b"slow down"),
        (429, "application/json", b'{"status": 429, "title": "Overloaded"}'),
        (429, MEDIA_TYPE, b"slow down"),
        (429, MEDIA_TYPE, b"{}"),
        (200, MEDIA_TYPE, json.dumps(Overloaded("").to_dict()).encode()),
    ],
)
def test_an_unexpected_document_is_invalid(status: int, content_type: str, body: bytes):
    with pytest.raises(InvalidResponse):
        read_document(status, content_type, body)


def test_a_documented_429_is_a_refusal():
    body = json.dumps(Overloaded("the queue is full").to_dict()).encode()
    with pytest.raises(Refused, match="429 Overloaded"):
        read_document(429, MEDIA_TYPE, body)


def test_any_other_problem_is_a_failure_with_its_title():
    body = json.dumps(NotReady("starting").to_dict()).encode()
    with pytest.raises(InvalidResponse, match=r"^503 Not ready$"):
        read_document(503, MEDIA_TYPE, body)
    assert isinstance(problem(StorageFull("").to_dict()), InvalidResponse)


# images


def test_a_consistent_verdict_passes():
    checks.image_verdict(IMAGE, FACE)
    checks.image_verdict(BLANK, CUP)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"verdict": "real"},
        without(IMAGE, "faces"),
        changed(IMAGE, "verdict", to="no_face"),
        changed(IMAGE, "verdict", to="genuine"),
        changed(IMAGE, "fake_probability", to=None),
        changed(IMAGE, "fake_probability", to=0.5),
        changed(IMAGE, "faces", to=[]),
        changed(IMAGE, "faces", to=IMAGE["faces"] * 2),
        changed(IMAGE, "faces", 0, "fake_probability", to=1.2),
        changed(IMAGE, "faces", 0, "fake_probability", to=-0.1),
        changed(IMAGE, "faces", 0, "fake_probability", to=float("nan")),
        changed(IMAGE, "faces", 0, "fake_probability", to="0.1"),
        changed(IMAGE, "faces", 0, "fake_probability", to=True),
        changed(IMAGE, "faces", 0, "verdict", to="no_face"),
        changed(IMAGE, "faces", 0, "box", to=[600, 600, 700, 700]),
        changed(IMAGE, "faces", 0, "box", to=[90, 90, 10, 10]),
        changed(IMAGE, "faces", 0, "box", to=[10, 10, 90]),
        changed(IMAGE, "width", to=511),
        BLANK | {"width": 512, "height": 512},
    ],
)
def test_an_inconsistent_verdict_fails(document: Any):
    with pytest.raises(InvalidResponse):
        checks.image_verdict(document, FACE)


def test_a_face_in_an_image_without_faces_fails():
    with pytest.raises(InvalidResponse, match="faces: 1, not 0"):
        checks.image_verdict(IMAGE | {"width": 600, "height": 400}, CUP)
    with pytest.raises(InvalidResponse, match="verdict: real"):
        checks.image_verdict(BLANK | {"verdict": "real"}, CUP)


# batches


def batch() -> dict[str, Any]:
    results = [{"name": "0.jpg", "verdict": IMAGE}, {"name": "1.jpg", "verdict": BLANK}]
    return {"id": "x", "results": results}


def test_a_batch_in_order_passes():
    checks.batch_results(batch(), ["0.jpg", "1.jpg"], [FACE, CUP])


@pytest.mark.parametrize(
    "spoilt",
    [
        {"results": None},
        {"results": ["a", "b"]},
        {"results": batch()["results"][:1]},
        {"results": batch()["results"][::-1]},
        changed(batch(), "results", 0, "verdict", to=None),
        changed(batch(), "results", 1, "verdict", to=IMAGE),
        changed(batch(), "results", 0, to={"name": "0.jpg", "problem": NotReady("").to_dict()}),
    ],
)
def test_an_inconsistent_batch_fails(spoilt: dict[str, Any]):
    with pytest.raises(InvalidResponse):
        checks.batch_results(spoilt, ["0.jpg", "1.jpg"], [FACE, CUP])


def test_a_refused_image_in_a_batch_is_a_refusal():
    problem_result = {"name": "0.jpg", "problem": Overloaded("").to_dict()}
    with pytest.raises(Refused):
        checks.batch_results(
            changed(batch(), "results", 0, to=problem_result), ["0.jpg", "1.jpg"], [FACE, CUP]
        )


# jobs

TRACK = {"verdict": "real", "fake_probability": 0.2}
RESULT = {
    "verdict": "real",
    "fake_probability": 0.2,
    "shots": [{"tracks": [TRACK]}],
    "frames_analyzed": 12,
    "frames_with_face": 12,
    "width": 320,
    "height": 240,
    "complete": True,
}
DONE = JOB | {"state": "succeeded", "result": RESULT}
NOBODY = RESULT | {
    "verdict": "no_face",
    "fake_probability": None,
    "shots": [{"tracks": []}],
    "frames_with_face": 0,
}


def test_a_succeeded_job_passes():
    assert checks.job_document(JOB, JOB["id"]) is JOB
    checks.finished_job(DONE, FILM)
    checks.finished_job(DONE | {"result": NOBODY}, Video(b"", 0, (320, 240)))


@pytest.mark.parametrize("document", [{}, JOB | {"state": "lost"}, JOB | {"id": 7}])
def test_an_invalid_job_document_fails(document: dict[str, Any]):
    with pytest.raises(InvalidResponse):
        checks.job_document(document)


def test_a_job_with_another_id_fails():
    with pytest.raises(InvalidResponse):
        checks.job_document(JOB, "another")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda job: JOB,
        lambda job: job | {"state": "running"},
        lambda job: job | {"state": "dead", "problem": NotReady("").to_dict()},
        lambda job: job | {"state": "cancelled"},
        lambda job: job | {"cached": True},
        lambda job: job | {"result": None},
        lambda job: job | {"result": NOBODY},
        lambda job: changed(job, "result", "complete", to=False),
        lambda job: changed(job, "result", "frames_analyzed", to=0),
        lambda job: changed(job, "result", "width", to=640),
        lambda job: changed(job, "result", "verdict", to="no_face"),
        lambda job: changed(job, "result", "fake_probability", to=2),
        lambda job: changed(job, "result", "shots", 0, "tracks", 0, "fake_probability", to=2),
        lambda job: changed(job, "result", "shots", to=[]),
    ],
)
def test_a_job_that_did_not_succeed_fails(spoil: Callable[[Any], Any]):
    with pytest.raises(InvalidResponse):
        checks.finished_job(spoil(DONE), FILM)


def test_a_failed_job_is_reported_with_its_problem():
    failed = JOB | {"state": "failed", "problem": NotReady("x").to_dict()}
    with pytest.raises(InvalidResponse, match="job failed: 503 Not ready"):
        checks.finished_job(failed, FILM)
