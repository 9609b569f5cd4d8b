"""Options and fields that no operation has are refused by their names, and files keep theirs."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.support.requests import problem_of
from tests.support.running import RunningGateway

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_defects")]


@pytest.mark.parametrize("path", ["/v1/images", "/v1/images/batch", "/v1/videos"])
@pytest.mark.parametrize("field", ["sampling", "model", "File", ""])
def test_an_unknown_form_field_is_refused(api: httpx.Client, path: str, field: str) -> None:
    files: list[Any] = [("file", ("a.mp4", b"x")), (field, (None, b"fps:2"))]
    for order in (files, files[::-1]):
        problem = problem_of(api.post(path, files=order), 400, "invalid-request")
        assert repr(field) in problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "known"),
    [
        ("POST", "/v1/videos", "sampling"),
        ("POST", "/v1/images", "model"),
        ("POST", "/v1/images/batch", "model"),
        ("GET", "/v1/jobs", "cursor"),
        ("GET", "/v1/jobs/x", "none"),
        ("DELETE", "/v1/jobs/x", "none"),
        ("GET", "/v1/models", "none"),
        ("GET", "/v1/info", "none"),
    ],
)
def test_an_unknown_query_parameter_is_refused(
    api: httpx.Client, method: str, path: str, known: str
) -> None:
    response = api.request(method, path, params={"sample": "fps:2"})
    problem = problem_of(response, 400, "invalid-request")
    assert "'sample'" in problem["detail"]
    assert known in problem["detail"]


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("/v1/jobs", "created_from", "a time with its offset is expected: 2026-11-28T00:00:00Z"),
        ("/v1/usage", "day", "a date is expected: 2026-11-28"),
    ],
)
def test_a_date_that_is_none_is_refused_in_plain_words(
    api: httpx.Client, path: str, name: str, expected: str
) -> None:
    problem = problem_of(api.get(path, params={name: "yesterday"}), 400, "invalid-request")
    assert problem["detail"].startswith(f"{name}: {expected}")


def test_an_unknown_query_parameter_of_a_stream_is_refused(gateway: RunningGateway) -> None:
    url = gateway.url.replace("http", "ws", 1)
    with connect(f"{url}/v1/stream?modle=detector", proxy=None) as stream:
        problem = json.loads(stream.recv())["problem"]
    assert problem["status"] == 400
    assert "'modle'" in problem["detail"]


def test_probes_and_pages_accept_any_query(api: httpx.Client) -> None:
    for path in ("/healthz", "/readyz", "/", "/console/index.html", "/v2/health/live"):
        assert api.get(path, params={"cache": "1"}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/images", "/v1/videos"])
def test_an_unknown_json_member_is_refused(api: httpx.Client, path: str) -> None:
    body = {"url": "http://127.0.0.1:9/", "sampling": "fps:2"}
    problem = problem_of(api.post(path, json=body), 400, "invalid-request")
    assert "'sampling'" in problem["detail"]


@pytest.mark.parametrize("path", ["/v1/images", "/v1/videos"])
def test_an_empty_file_is_refused_at_once(api: httpx.Client, path: str) -> None:
    problem = problem_of(api.post(path, files={"file": ("a.mp4", b"")}), 400, "invalid-request")
    assert problem["detail"] == "the file is empty"


def test_an_empty_file_of_a_batch_is_a_problem_at_its_position(
    api: httpx.Client, astronaut_jpeg: bytes
) -> None:
    files = [("file", ("a.jpg", b"")), ("file", ("b.jpg", astronaut_jpeg))]
    first, second = api.post("/v1/images/batch", files=files).json()["results"]
    assert (first["name"], first["problem"]["detail"]) == ("a.jpg", "the file is empty")
    assert len(second["verdict"]["faces"]) == 1


@pytest.mark.parametrize("path", ["/v1/images", "/v1/videos"])
def test_several_files_are_an_invalid_request(api: httpx.Client, path: str) -> None:
    files = [("file", ("a.jpg", b"a")), ("file", ("b.jpg", b"b"))]
    problem = problem_of(api.post(path, files=files), 400, "invalid-request")
    assert "several files" in problem["detail"]
    urls = {"urls": ["http://127.0.0.1:9/a", "http://127.0.0.1:9/b"]}
    problem = problem_of(api.post(path, json=urls), 400, "invalid-request")
    assert "several URLs" in problem["detail"]


ENCODED = base64.b64encode("видео.mp4".encode()).decode()
NAMES = {
    "UTF-8": 'filename="видео.mp4"',
    "RFC 5987": "filename*=UTF-8''%D0%B2%D0%B8%D0%B4%D0%B5%D0%BE.mp4",
    "RFC 5987, after another": (
        "filename=\"video\"; filename*=utf-8'ru'%D0%B2%D0%B8%D0%B4%D0%B5%D0%BE.mp4"
    ),
    "RFC 5987, another charset": "filename*=windows-1251''%E2%E8%E4%E5%EE.mp4",
    "RFC 2047": f'filename="=?utf-8?B?{ENCODED}?="',
    "RFC 2047, quoted": 'filename="=?UTF-8?Q?=D0=B2=D0=B8=D0=B4=D0=B5=D0=BE.mp4?="',
}


@pytest.mark.parametrize("spelling", NAMES)
def test_a_file_name_is_decoded(api: httpx.Client, spelling: str) -> None:
    body = (
        f'--b\r\nContent-Disposition: form-data; name="file"; {NAMES[spelling]}\r\n\r\nx\r\n--b--'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    job = api.post("/v1/videos", content=body.encode(), headers=headers).json()
    assert job["source"]["name"] == "видео.mp4"


@pytest.mark.parametrize(
    "name", ["%D0%B2%D0%B8%D0%B4%D0%B5%D0%BE.mp4", "видео.mp4", f"=?utf-8?B?{ENCODED}?="]
)
def test_the_name_of_a_body_is_decoded(api: httpx.Client, name: str) -> None:
    headers = [(b"X-Filename", name.encode())]
    job = api.post("/v1/videos", content=b"x", headers=headers).json()
    assert job["source"]["name"] == "видео.mp4"


@pytest.mark.parametrize("cursor", ["nonsense", "nan:x", "inf:x", "1:", "", ":", "-1:x", "1e3:x"])
def test_a_bad_cursor_is_refused(api: httpx.Client, cursor: str) -> None:
    problem_of(api.get("/v1/jobs", params={"cursor": cursor}), 422, "invalid-cursor")


def test_an_unknown_model_is_refused_at_submission(api: httpx.Client) -> None:
    response = api.post("/v1/videos", content=b"x", params={"model": "cats"})
    problem_of(response, 404, "unknown-model")


@pytest.mark.parametrize("url", ["http://xn--/", "http://a..b/", "http://\u00ad/"])
def test_a_url_with_an_invalid_host_is_refused(api: httpx.Client, url: str) -> None:
    for path in ("/v1/images", "/v1/videos"):
        problem_of(api.post(path, json={"url": url}), 422, "refused-url")
    for params in ({"webhook": url}, {"webhook": url, "live": "true"}):
        response = api.post("/v1/videos", json={"url": "http://127.0.0.1:9/"}, params=params)
        problem_of(response, 422, "refused-url")


def test_a_refused_url_of_a_batch_is_a_problem_at_its_position(api: httpx.Client) -> None:
    urls = ["http://xn--/", "ftp://a/", "http://127.0.0.1:65534/"]
    results = api.post("/v1/images/batch", json={"urls": urls}).json()["results"]
    slugs = [each["problem"]["type"].rpartition(":")[2] for each in results]
    assert slugs == ["refused-url", "refused-url", "unreachable-url"]
