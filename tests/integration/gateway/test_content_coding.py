"""Compressed request bodies, as Triton's and KServe's clients send them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.integration.gateway.conftest import MAX_IMAGE
from tests.support.requests import problem_of

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_defects")]

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "GZIP": gzip.compress,
    "x-gzip": gzip.compress,
    "gzip, identity": gzip.compress,
    "deflate": zlib.compress,
    "identity": bytes,
    "": bytes,
}


def post(
    api: httpx.Client, path: str, body: bytes, coding: str, content_type: str
) -> httpx.Response:
    headers = {"Content-Encoding": coding, "Content-Type": content_type}
    return api.post(path, content=body, headers=headers)


@pytest.mark.parametrize("coding", CODINGS)
def test_an_image_is_decoded(api: httpx.Client, astronaut_jpeg: bytes, coding: str) -> None:
    body = CODINGS[coding](astronaut_jpeg)
    response = post(api, "/v1/images", body, coding, "image/jpeg")
    assert response.status_code == 200
    assert len(response.json()["faces"]) == 1


def test_a_gzip_body_of_several_members_and_chunks_is_decoded(
    api: httpx.Client, astronaut_jpeg: bytes
) -> None:
    half = len(astronaut_jpeg) // 2
    body = gzip.compress(astronaut_jpeg[:half]) + gzip.compress(astronaut_jpeg[half:])
    headers = {"Content-Encoding": "gzip"}
    chunks = (body[start : start + 1000] for start in range(0, len(body), 1000))
    response = api.post("/v1/images", content=chunks, headers=headers)
    assert len(response.json()["faces"]) == 1


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_the_inference_protocol_is_decoded(
    api: httpx.Client, astronaut_jpeg: bytes, coding: str
) -> None:
    data = [base64.b64encode(astronaut_jpeg).decode()]
    tensor = {"name": "images", "datatype": "BYTES", "shape": [1], "data": data}
    body = CODINGS[coding](json.dumps({"inputs": [tensor]}).encode())
    response = post(api, "/v2/models/detector/infer", body, coding, "application/json")
    assert response.status_code == 200
    assert response.json()["model_name"] == "detector"


def test_json_and_forms_are_decoded(api: httpx.Client, astronaut_jpeg: bytes) -> None:
    url = json.dumps({"url": "http://10.0.0.1/"}).encode()
    refused = post(api, "/v1/images", gzip.compress(url), "gzip", "application/json")
    problem_of(refused, 422, "refused-url")
    form = httpx.Request("POST", api.base_url, files={"file": ("a.jpg", astronaut_jpeg)})
    body, kind = gzip.compress(form.read()), form.headers["Content-Type"]
    (result,) = post(api, "/v1/images/batch", body, "gzip", kind).json()["results"]
    assert (result["name"], len(result["verdict"]["faces"])) == ("a.jpg", 1)


def test_a_video_is_stored_decoded(api: httpx.Client) -> None:
    content = b"no video" * 5_000
    job = post(api, "/v1/videos", gzip.compress(content), "gzip", "video/mp4").json()
    assert job["source"]["bytes"] == len(content)
    assert job["source"]["digest"] == "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("path", ["/v1/images", "/v1/videos", "/v2/models/detector/infer"])
@pytest.mark.parametrize("coding", ["br", "zstd", "aws-chunked", "gzip, gzip", "nonsense"])
def test_an_unsupported_content_coding_is_refused_by_name(
    api: httpx.Client, path: str, coding: str
) -> None:
    refused = post(api, path, b"x", coding, "application/octet-stream")
    problem = problem_of(refused, 415, "unsupported-content-coding")
    assert repr(coding) in problem["detail"]
    assert refused.headers["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (b"not compressed", "gzip"),
        (b"not compressed", "deflate"),
        (gzip.compress(b"x" * 1000)[:-9], "gzip"),
        (gzip.compress(b"x") + b"more", "gzip"),
        (zlib.compress(b"x") + b"more", "deflate"),
        (gzip.compress(b"x")[:-8] + bytes(8), "gzip"),
    ],
    ids=["plain", "plain, deflate", "cut off", "goes on", "goes on, deflate", "checksum"],
)
def test_a_broken_body_is_an_invalid_request(api: httpx.Client, body: bytes, coding: str) -> None:
    problem = problem_of(post(api, "/v1/images", body, coding, ""), 400, "invalid-request")
    assert coding in problem["detail"]


def test_a_decompression_bomb_is_stopped_by_ratio_or_size(api: httpx.Client) -> None:
    bomb = gzip.compress(bytes(MAX_IMAGE - 1))
    assert len(bomb) < MAX_IMAGE / 900
    for path in ("/v1/images", "/v1/videos", "/v2/models/detector/infer"):
        problem_of(post(api, path, bomb, "gzip", ""), 413, "too-large")
    large = gzip.compress(b"0123456789abcdef" * (MAX_IMAGE // 16) + b"x" * 100, 1)
    problem_of(post(api, "/v1/images", large, "gzip", ""), 413, "too-large")


def test_a_small_body_may_expand_more(api: httpx.Client) -> None:
    zeros = gzip.compress(bytes(500_000))
    problem_of(post(api, "/v1/images", zeros, "gzip", ""), 415, "unsupported-media-type")


def test_an_image_at_the_limit_may_be_larger_while_compressed(api: httpx.Client) -> None:
    noise = hashlib.shake_256(b"noise").digest(MAX_IMAGE)
    compressed = gzip.compress(noise)
    assert len(compressed) > MAX_IMAGE
    problem_of(post(api, "/v1/images", compressed, "gzip", ""), 415, "unsupported-media-type")


def test_json_is_compressed_for_clients_that_accept_it(
    api: httpx.Client, astronaut_jpeg: bytes
) -> None:
    for coding, sent in {"gzip": "gzip", "identity": None, "br": None}.items():
        headers = {"Accept-Encoding": coding}
        response = api.post("/v1/images", content=astronaut_jpeg, headers=headers)
        document = api.get("/openapi.json", headers=headers)
        assert response.json()["verdict"] == "real"
        assert document.headers.get("Content-Encoding") == sent
        assert document.headers["Vary"] == "Accept-Encoding"
        assert document.json()["openapi"] == "3.1.0"


def test_media_are_not_compressed(api: httpx.Client, video: Path) -> None:
    sent = video.read_bytes()
    job = api.post("/v1/videos", content=sent).json()
    headers = {"Accept-Encoding": "gzip"}
    media = api.get(job["links"]["media"], headers=headers)
    assert "Content-Encoding" not in media.headers
    assert media.content == sent
    part = api.get(job["links"]["media"], headers=headers | {"Range": "bytes=0-1999"})
    assert (part.status_code, part.content) == (206, sent[:2000])
