"""Predictions over REST: all successes and refusals, on one shared server."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import io
import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from deepfake_serving.contracts.combination import combined_probability
from model_handlers.pipeline.decode import Pixels
from tests.support.images import doubled, jpeg
from tests.support.paths import MODELS
from tests.support.requests import BAD_IMAGES, MAX_BODY, problem_of, same
from tests.support.running import GUARD_S, RunningServer
from tests.support.versions import VERSIONS

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("unhurt")]

DETECTOR = "/predictions/detector"
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def round_trip(server: RunningServer, data: bytes, *, shut: bool = False) -> bytes:
    """Sends raw bytes and reads until the server closes the connection.

    Without `Connection: close` in `data`, the response ends also where nothing follows in a second.
    """
    address = "127.0.0.1", server.ports["http"]
    with socket.create_connection(address, timeout=GUARD_S) as connection:
        connection.sendall(data)
        if shut:
            connection.shutdown(socket.SHUT_WR)
        response = b""
        try:
            while received := connection.recv(65536):
                response += received
                if b"Connection: close" not in data:
                    connection.settimeout(1)
        except TimeoutError:
            pass
        return response


def post(path: str, *headers: bytes, body: bytes = b"") -> bytes:
    """Builds a request with headers that no client library sends."""
    lines = [b"POST %s HTTP/1.1" % path.encode(), b"Host: test", *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


# successes


@pytest.mark.parametrize("path", [DETECTOR, f"{DETECTOR}/{VERSIONS['detector']}"])
@pytest.mark.parametrize(
    "sending",
    [
        lambda image: {"content": image},
        lambda image: {"content": image, "headers": {"Content-Type": "image/jpeg"}},
        lambda image: {"content": iter([image[:1000], image[1000:]])},
        lambda image: {"files": {"file": ("a.jpg", image, "image/jpeg")}},
        lambda image: {"files": {"whatever it is called": image}},
        lambda image: {
            "content": gzip.compress(image),
            "headers": {"Content-Encoding": "gzip"},
        },
    ],
    ids=["raw", "with its type", "chunked", "form", "form without a name", "gzip"],
)
def test_an_image_is_classified_however_it_is_sent(
    http: httpx.Client, astronaut_jpeg: bytes, path: str, sending: Callable[[bytes], dict[str, Any]]
) -> None:
    response = http.post(path, **sending(astronaut_jpeg))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    plain = http.post(DETECTOR, content=astronaut_jpeg).json()
    assert same(response.json()) == same(plain)


def test_a_verdict_has_every_field(
    http: httpx.Client, archive_folder: Path, astronaut_jpeg: bytes
) -> None:
    document = http.post(DETECTOR, content=astronaut_jpeg).json()
    digest = hashlib.sha256((archive_folder / "detector.mar").read_bytes()).hexdigest()
    assert document["model"] == {
        "name": "detector",
        "version": VERSIONS["detector"],
        "digest": f"sha256:{digest}",
        "trained": True,
    }
    assert (document["width"], document["height"]) == (512, 512)
    (face,) = document["faces"]
    x1, y1, x2, y2 = face["box"]
    assert 150 < x1 < x2 < 300
    assert 40 < y1 < y2 < 200
    assert len(face["landmarks"]) == 5
    assert face["detection_confidence"] > 0.9
    assert 0 <= face["fake_probability"] <= 1
    assert document["fake_probability"] == face["fake_probability"]
    assert document["verdict"] == face["verdict"]
    assert face["verdict"] in ("real", "suspicious", "fake")
    assert set(document["timings_ms"]) == {"decode", "detect", "crop", "classify"}


def test_the_index_lists_every_model_and_its_archive(
    http: httpx.Client, archive_folder: Path
) -> None:
    listed = {model["name"]: model for model in http.get("/").json()["models"]}
    assert set(listed) == set(MODELS)
    for name, model in listed.items():
        content = (archive_folder / f"{name}.mar").read_bytes()
        assert model["digest"] == "sha256:" + hashlib.sha256(content).hexdigest()
        assert model["trained"] is True


def test_an_image_without_faces_has_no_probability(http: httpx.Client, no_face_jpeg: bytes) -> None:
    document = http.post(DETECTOR, content=no_face_jpeg).json()
    assert document["verdict"] == "no_face"
    assert document["fake_probability"] is None
    assert document["faces"] == []


def test_every_face_is_classified_and_the_verdict_combines_them(
    http: httpx.Client, three_faces_jpeg: bytes
) -> None:
    document = http.post(DETECTOR, content=three_faces_jpeg).json()
    assert len(document["faces"]) == 3
    probabilities = [face["fake_probability"] for face in document["faces"]]
    assert document["fake_probability"] == combined_probability(probabilities)
    assert min(probabilities) < document["fake_probability"] < max(probabilities)


def test_faces_and_classifier_together_equal_the_detector(
    http: httpx.Client, astronaut: Pixels
) -> None:
    image = jpeg(doubled(astronaut))
    detected = http.post(DETECTOR, content=image).json()
    found = http.post("/predictions/faces?crops=true", content=image).json()
    (face,) = found["faces"]
    assert face["box"] == detected["faces"][0]["box"]
    kind, _, data = face["crop"].partition(",")
    assert kind == "data:image/png;base64"
    crop = base64.b64decode(data)
    assert Image.open(io.BytesIO(crop)).size == (224, 224)
    verdict = http.post("/predictions/classifier", content=crop).json()
    assert verdict["fake_probability"] == pytest.approx(detected["fake_probability"], abs=1e-3)
    assert verdict["model"]["name"] == "classifier"


@pytest.mark.parametrize("query", ["", "?crops=false"])
def test_crops_are_returned_only_if_requested(
    http: httpx.Client, astronaut_jpeg: bytes, query: str
) -> None:
    found = http.post("/predictions/faces" + query, content=astronaut_jpeg).json()
    assert [face["crop"] for face in found["faces"]] == [None]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"])
def test_probes_respond(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 200
    assert http.head(path).status_code == 200


def test_readiness_gives_the_reason(http: httpx.Client) -> None:
    document = http.get("/readyz").json()
    assert document["phase"] == "serving"
    up = {"ready": True, "workers_ready": 1, "workers_wanted": 1, "warm": True}
    assert document["models"] == dict.fromkeys(MODELS, up)


# refusals


def test_a_misspelt_option_is_refused(http: httpx.Client, astronaut_jpeg: bytes) -> None:
    response = http.post("/predictions/detector?explian=true", content=astronaut_jpeg)
    assert "'explian'" in problem_of(response, 400, "invalid-request")["detail"]


@pytest.mark.parametrize("as_form", [False, True], ids=["raw", "form"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", BAD_IMAGES)
def test_a_bad_image_gives_the_problem_of_its_kind(
    http: httpx.Client, model: str, name: str, as_form: bool
) -> None:
    content, status, slug = BAD_IMAGES[name]
    sending: dict[str, Any] = {"files": {"f": content}} if as_form else {"content": content}
    problem_of(http.post(f"/predictions/{model}", **sending), status, slug)


@pytest.mark.parametrize(
    "sending",
    [
        {"content": bytes(MAX_BODY + 1)},
        {"content": (bytes(65536) for _ in range(MAX_BODY // 65536 + 1))},
        {"files": {"file": bytes(MAX_BODY + 1)}},
        {
            "content": gzip.compress(bytes(20 * MAX_BODY)),
            "headers": {"Content-Encoding": "gzip"},
        },
    ],
    ids=["with its length", "chunked", "form", "a gzip of 80 MiB"],
)
def test_a_body_over_the_limit_is_refused(http: httpx.Client, sending: dict[str, Any]) -> None:
    problem = problem_of(http.post(DETECTOR, **sending), 413, "too-large")
    assert str(MAX_BODY) in problem["detail"]


def test_a_body_of_exactly_the_limit_is_accepted(http: httpx.Client) -> None:
    problem_of(http.post(DETECTOR, content=bytes(MAX_BODY)), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "path",
    [
        "/predictions/nobody",
        "/predictions/detector/2.0",
        "/predictions/detector/2",
        "/predictions/DETECTOR",
        "/predictions/%00",
        "/predictions/%ff",
        "/predictions/" + "n" * 4000,
        "/predictions/" + "%F0%9F%98%80" * 300,
    ],
)
def test_an_unknown_model_is_not_found(
    http: httpx.Client, path: str, astronaut_jpeg: bytes
) -> None:
    problem = problem_of(http.post(path, content=astronaut_jpeg), 404, "unknown-model")
    assert len(problem["detail"].encode()) <= 503


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/predictions",
        "/predictions/",
        "/predictions/a/b/c",
        "/models",
        "/metrics",
        "/%ff%fe",
        "/a" * 2000,
        "//predictions/detector",
    ],
)
def test_unknown_paths_and_models_are_not_found(http: httpx.Client, path: str) -> None:
    problem_of(http.get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", DETECTOR, "POST"),
        ("PUT", DETECTOR, "POST"),
        ("DELETE", f"{DETECTOR}/{VERSIONS['detector']}", "POST"),
        ("OPTIONS", DETECTOR, "POST"),
        ("PATCH", "/", "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
        ("POST", "/v2/models/detector", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_refused_with_the_allowed_methods(
    http: httpx.Client, method: str, path: str, allowed: str
) -> None:
    problem = problem_of(http.request(method, path), 405, "method-not-allowed")
    assert problem["detail"].endswith(allowed)


NESTED = b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\na\r\n--y--\r\n--x--"
PART = b"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n"


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"", FORM),
        (b"not a form", FORM),
        (b"--x--\r\n", FORM),
        (
            b"--x\r\nContent-Encoding: gzip\r\n\r\n\r\n",
            {"Content-Type": "multipart/mixed; boundary=x"},
        ),
        (b"--x--\r\n", {"Content-Type": "multipart/form-data"}),
        (b"--x--\r\n", {"Content-Type": "multipart/form-data; boundary="}),
        (b"--x\r\n\r\n", {"Content-Type": "multipart/form-data; boundary=" + "x" * 100}),
        (b"--x\r\n\r\n", {"Content-Type": b"multipart/form-data; boundary=\xff\xfe"}),
        (b"--x\r\nno header\r\n\r\nbody\r\n--x--\r\n", FORM),
        (PART + b"\r\nbody without an end", FORM),
        (PART, FORM),
        (b"--x\r\n" + b"A" * 100_000 + b"\r\n\r\nbody\r\n--x--\r\n", FORM),
        (b"--x\r\n" + b"A: b\r\n" * 5000 + b"\r\nbody\r\n--x--\r\n", FORM),
        (NESTED, FORM),
    ],
    ids=[
        "empty",
        "no form",
        "no part",
        "another type",
        "no boundary",
        "empty boundary",
        "long boundary",
        "boundary that is no text",
        "broken header",
        "no end",
        "end within the headers",
        "long header",
        "many headers",
        "form within a form",
    ],
)
def test_a_broken_form_is_refused(
    http: httpx.Client, content: bytes, headers: dict[str, str]
) -> None:
    problem_of(http.post(DETECTOR, content=content, headers=headers), 400, "invalid-request")


def test_a_form_part_with_an_invalid_name_is_read_as_an_image(http: httpx.Client) -> None:
    content = b"--x\r\nContent-Disposition: form-data; name=\xff\r\n\r\na text\r\n--x--\r\n"
    response = http.post(DETECTOR, content=content, headers=FORM)
    problem_of(response, 415, "unsupported-media-type")


def test_a_form_with_two_images_is_refused(http: httpx.Client, astronaut_jpeg: bytes) -> None:
    files = {"a": astronaut_jpeg, "b": astronaut_jpeg}
    problem_of(http.post(DETECTOR, files=files), 400, "invalid-request")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_with_a_wrong_content_encoding_is_refused(
    http: httpx.Client, astronaut_jpeg: bytes, coding: str
) -> None:
    response = http.post(DETECTOR, content=astronaut_jpeg, headers={"Content-Encoding": coding})
    problem_of(response, 400, "invalid-request")
    assert response.headers["connection"] == "close"


def test_a_content_encoding_that_is_not_supported_is_named(
    http: httpx.Client, astronaut_jpeg: bytes
) -> None:
    response = http.post(DETECTOR, content=astronaut_jpeg, headers={"Content-Encoding": "br"})
    problem = problem_of(response, 415, "unsupported-content-coding")
    assert "'br'" in problem["detail"]
    assert response.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("crops", ["1", "True", "", "%ff"])
def test_crops_must_be_a_boolean(http: httpx.Client, astronaut_jpeg: bytes, crops: str) -> None:
    response = http.post(f"/predictions/faces?crops={crops}", content=astronaut_jpeg)
    problem_of(response, 400, "invalid-request")


# deadlines


@pytest.mark.parametrize(
    "seconds",
    ["soon", "-1", "0", "nan", "inf", "-inf", "1e400", "", "1,5", b"\xff", "9" * 4000 + "x"],
)
def test_a_deadline_that_is_not_a_positive_number_is_refused(
    http: httpx.Client, astronaut_jpeg: bytes, seconds: str | bytes
) -> None:
    response = http.post(DETECTOR, content=astronaut_jpeg, headers={"X-Request-Timeout": seconds})
    problem_of(response, 400, "invalid-request")


@pytest.mark.parametrize("seconds", ["0.001", "1e-300"])
def test_a_deadline_that_cannot_be_met_is_refused_early(
    http: httpx.Client, astronaut_jpeg: bytes, seconds: str
) -> None:
    response = http.post(DETECTOR, content=astronaut_jpeg, headers={"X-Request-Timeout": seconds})
    problem_of(response, 504, "deadline-exceeded")
    assert response.elapsed.total_seconds() < 20


@pytest.mark.parametrize("seconds", ["30", "1e300", "  5  "])
def test_a_long_deadline_changes_nothing(
    server: RunningServer, astronaut_jpeg: bytes, seconds: str
) -> None:
    header = b"X-Request-Timeout: " + seconds.encode()
    response = round_trip(server, post(DETECTOR, header, b"Connection: close", body=astronaut_jpeg))
    assert response.startswith(b"HTTP/1.1 200 ")


def test_a_stalled_body_ends_at_the_deadline(
    server: RunningServer,
) -> None:
    head = post(DETECTOR, b"X-Request-Timeout: 0.2", body=bytes(1000))
    response = round_trip(server, head[:-500])
    assert response.startswith(b"HTTP/1.1 504 ")
    assert b"deadline-exceeded" in response


# headers


def test_an_id_is_returned_or_generated(http: httpx.Client, astronaut_jpeg: bytes) -> None:
    given = http.post(DETECTOR, content=astronaut_jpeg, headers={"X-Request-ID": "mine/1.2:3"})
    assert given.headers["x-request-id"] == given.json()["id"] == "mine/1.2:3"
    created = http.post(DETECTOR, content=astronaut_jpeg)
    assert re.fullmatch("[0-9a-f]{32}", created.headers["x-request-id"])
    assert created.json()["id"] == created.headers["x-request-id"]


@pytest.mark.parametrize(
    "value", [b"\xff\xfe", b"a" * 5000, b"", b" ", b"a b", b'"', b"{}", "é".encode(), b"a\tb"]
)
def test_a_hostile_id_is_replaced(
    server: RunningServer, astronaut_jpeg: bytes, value: bytes
) -> None:
    header = b"X-Request-ID: " + value
    response = round_trip(server, post(DETECTOR, header, b"Connection: close", body=astronaut_jpeg))
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert re.fullmatch("[0-9a-f]{32}", json.loads(body)["id"])


def test_a_trace_is_continued(
    server: RunningServer, http: httpx.Client, astronaut_jpeg: bytes
) -> None:
    headers = {"traceparent": TRACE, "X-Request-ID": "traced"}
    response = http.post(DETECTOR, content=astronaut_jpeg, headers=headers)
    assert response.headers["traceparent"] == TRACE
    logged = server.wait_for_event("request", where=lambda event: event["id"] == "traced")
    assert logged["traceparent"] == TRACE


@pytest.mark.parametrize("value", [b"", b"00-zz", b"\xff", b"0" * 5000, TRACE.upper().encode()])
def test_an_invalid_trace_is_dropped(
    http: httpx.Client, astronaut_jpeg: bytes, value: bytes
) -> None:
    response = http.post(DETECTOR, content=astronaut_jpeg, headers={"traceparent": value})
    assert response.status_code == 200
    assert "traceparent" not in response.headers


@pytest.mark.parametrize(
    "name",
    [
        "Content-Type",
        "Accept",
        "Accept-Encoding",
        "Content-Disposition",
        "Cookie",
        "Expect",
        "Range",
        "If-None-Match",
        "User-Agent",
        "X-Deepfake-Options",
        "X-Deepfake-Deadline",
        "X-Deepfake-Batch",
        "X-Anything",
    ],
)
@pytest.mark.parametrize(
    "value",
    [b"\xff\xfe\x80", b"x" * 7000, b';;=="', b'{"crops": 1}'],
    ids=["not ASCII", "long", "separators", "JSON"],
)
def test_other_headers_change_nothing(
    http: httpx.Client, no_face_jpeg: bytes, name: str, value: bytes
) -> None:
    response = http.post(DETECTOR, content=no_face_jpeg, headers={name: value})
    assert response.status_code == 200, response.text
    assert response.json()["verdict"] == "no_face"


def test_internal_headers_are_not_passed_through(http: httpx.Client, astronaut_jpeg: bytes) -> None:
    headers = {
        "X-Deepfake-Options": '{"crops": true}',
        "X-Deepfake-Deadline": "1",
        "Inference-Header-Content-Length": "10",
    }
    response = http.post("/predictions/faces", content=astronaut_jpeg, headers=headers)
    assert response.status_code == 200, response.text
    assert response.json()["faces"][0]["crop"] is None


HEAD = b"POST /predictions/detector HTTP/1.1\r\nHost: test\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: test\r\n\r\n",
        post(DETECTOR, b"X-Request-ID: a\x01b"),
        post(DETECTOR, b"X-Request-ID: a\x00b"),
        post(DETECTOR, b"X-Request-ID: " + b"a" * 50_000),
        post(DETECTOR, b"Content-Length: 7"),
        post(DETECTOR, b"Transfer-Encoding: chunked"),
        HEAD + b"Content-Length: -5\r\n\r\n",
        HEAD + b"Content-Length: %d\r\n\r\n" % 10**30,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nZ\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: test\r\n\r\n",
    ],
    ids=lambda data: repr(data[:60]),
)
def test_bytes_that_are_not_http_close_the_connection(
    server: RunningServer, request_bytes: bytes
) -> None:
    """The parser responds in plain text: such a request has neither an id nor a route."""
    response = round_trip(server, request_bytes)
    assert re.match(rb"HTTP/1\.[01] 400 ", response), response


# connections


@pytest.fixture
def connection(server: RunningServer) -> Iterator[http.client.HTTPConnection]:
    created = http.client.HTTPConnection("127.0.0.1", server.ports["http"], timeout=GUARD_S)
    yield created
    created.close()


def test_a_connection_survives_every_refusal(
    connection: http.client.HTTPConnection, astronaut_jpeg: bytes
) -> None:
    sockets = set()
    refusals = [
        ("POST", DETECTOR, b"a text", {}),
        ("POST", DETECTOR, b"", {}),
        ("POST", "/predictions/nobody", astronaut_jpeg, {}),
        ("GET", DETECTOR, None, {}),
        ("POST", "/nothing", astronaut_jpeg, {}),
        ("POST", DETECTOR, b"not a form", FORM),
        ("POST", DETECTOR, bytes(MAX_BODY + 1), {}),
        ("POST", DETECTOR, astronaut_jpeg, {"X-Request-Timeout": "0.001"}),
        ("POST", "/v2/models/detector/infer", b"{", {}),
    ]
    for method, path, body, headers in refusals:
        connection.request(method, path, body, headers)
        sockets.add(connection.sock)
        response = connection.getresponse()
        assert response.status >= 400
        assert json.loads(response.read())["type"]
    connection.request("POST", DETECTOR, astronaut_jpeg)
    sockets.add(connection.sock)
    response = connection.getresponse()
    assert response.status == 200
    response.read()
    assert len(sockets) == 1


@pytest.mark.parametrize("length", [MAX_BODY + 1, 10**12])
def test_a_body_too_large_gets_no_100_continue(server: RunningServer, length: int) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
    response = round_trip(server, head % (DETECTOR.encode(), length))
    assert response.startswith(b"HTTP/1.1 413 ")


def test_expect_100_continue_is_honoured(server: RunningServer, astronaut_jpeg: bytes) -> None:
    request = post(DETECTOR, b"Expect: 100-continue", b"Connection: close", body=astronaut_jpeg)
    response = round_trip(server, request)
    assert response.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [0, 10, 50_000])
def test_a_client_that_disconnects_within_the_body_affects_no_other(
    server: RunningServer, http: httpx.Client, astronaut_jpeg: bytes, sent: int
) -> None:
    assert len(astronaut_jpeg) > sent
    head = post(DETECTOR, body=astronaut_jpeg)
    round_trip(server, head[: len(head) - len(astronaut_jpeg) + sent], shut=True)
    assert http.post(DETECTOR, content=astronaut_jpeg).status_code == 200


def test_a_client_that_disconnects_early_affects_no_other(
    server: RunningServer, http: httpx.Client, astronaut_jpeg: bytes
) -> None:
    for _ in range(5):
        with socket.create_connection(
            ("127.0.0.1", server.ports["http"]), timeout=GUARD_S
        ) as connection:
            connection.sendall(post(DETECTOR, body=astronaut_jpeg))
    assert http.post(DETECTOR, content=astronaut_jpeg).status_code == 200


def test_pipelined_requests_get_responses_in_order(
    server: RunningServer, no_face_jpeg: bytes
) -> None:
    ids = [b"row-%d" % n for n in range(4)]
    requests = [post(DETECTOR, b"X-Request-ID: " + i, body=no_face_jpeg) for i in ids[:-1]]
    last = b"X-Request-ID: " + ids[-1], b"Connection: close"
    requests.append(post(DETECTOR, *last, body=no_face_jpeg))
    response = round_trip(server, b"".join(requests))
    assert re.findall(rb"X-Request-ID: (row-\d)", response) == ids


def test_a_response_too_large_is_a_problem_and_ends_nothing(
    http: httpx.Client, three_faces_jpeg: bytes
) -> None:
    """This many crops once killed the worker, and the next one on the retry."""
    with Image.open(io.BytesIO(three_faces_jpeg)) as image:
        head = image.crop((20, 20, 276, 276)).resize((140, 140))
    group = Image.new("RGB", (8 * 140, 8 * 140))
    for n in range(64):
        group.paste(head, (n % 8 * 140, n // 8 * 140))
    stream = io.BytesIO()
    group.save(stream, "JPEG", quality=90)
    one = http.post("/predictions/faces?crops=true", content=stream.getvalue())
    assert len(one.json()["faces"]) > 50
    assert len(one.content) > MAX_BODY  # the limit on requests does not apply to responses
    data = [base64.b64encode(stream.getvalue()).decode()] * 3
    tensor = {"name": "images", "datatype": "BYTES", "shape": [3], "data": data}
    many = http.post(
        "/v2/models/faces/infer", json={"inputs": [tensor], "parameters": {"crops": True}}
    )
    problem_of(many, 413, "too-large")
