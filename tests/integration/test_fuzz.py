"""Random requests over both protocols never cause a server error or kill a worker.

Add each failure found here as an example to the test of its protocol.
"""

from __future__ import annotations

import base64
import io
import json
import re
import socket
import struct
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deepfake_serving.contracts.problems import BY_TYPE, MEDIA_TYPE, Internal
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as oip_pb2
from tests.support.paths import MODELS
from tests.support.properties import examples
from tests.support.requests import BAD_IMAGES, bomb, joined
from tests.support.running import GUARD_S, RunningServer
from tests.support.versions import VERSIONS

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("unhurt")]

fuzz = settings(max_examples=examples(300))
CLIENTS_FAULT = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
}
METHODS = [
    "/deepfake.v1.Detector/DetectImage",
    "/deepfake.v1.Detector/DetectBatch",
    *(
        f"/inference.GRPCInferenceService/{name}"
        for name in ("ModelInfer", "ModelReady", "ModelMetadata", "ServerReady", "ServerMetadata")
    ),
]


def check(response: httpx.Response) -> None:
    """Asserts a success or a client error."""
    assert response.status_code < 500, response.text
    if response.status_code >= 400 and response.request.method != "HEAD":
        assert response.headers["content-type"] == MEDIA_TYPE
        document = response.json()
        assert BY_TYPE[document["type"]] is not Internal
        assert document["status"] == response.status_code
        assert document["id"] == response.headers["x-request-id"]


def check_call(channel: grpc.Channel, method: str, data: bytes, **more: Any) -> None:
    """Asserts the same over gRPC."""
    call = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
    try:
        call(data, timeout=30, **more)
    except grpc.RpcError as error:
        if error.code() not in CLIENTS_FAULT:
            raise


def image(kind: str, size: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


IMAGES = [image(kind, (24, 32)) for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF")]
IMAGES += [bomb(), *(content for content, _, _ in BAD_IMAGES.values())]


@st.composite
def damaged(draw: st.DrawFn, sound: list[bytes] = IMAGES) -> bytes:
    """Generates data with a few bytes changed, removed or added."""
    data = bytearray(draw(st.sampled_from(sound)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        what = draw(st.sampled_from(["change", "cut", "add", "end"]))
        if what == "change" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif what == "cut":
            del data[at : at + draw(st.integers(1, 64))]
        elif what == "add":
            data[at:at] = draw(st.binary(min_size=1, max_size=16))
        elif what == "end":
            del data[at:]
    return bytes(data)


contents = st.one_of(st.binary(max_size=200), damaged())
words = st.one_of(
    st.sampled_from(
        [
            *MODELS,
            "images",
            "crops",
            "verdict",
            "result",
            "BYTES",
            "UINT8",
            VERSIONS["detector"],
            "",
        ]
    ),
    st.text(max_size=20),
)
numbers = st.one_of(
    st.integers(-2, 5),
    st.sampled_from([2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400]),
    st.floats(allow_nan=False, allow_infinity=False),
)
any_json = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, words),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(words, inner, max_size=5)),
    max_leaves=20,
)


# REST


@fuzz
@given(st.sampled_from(MODELS), contents, st.sampled_from(["", "?crops=true"]))
def test_any_content_gets_a_response(
    http: httpx.Client, model: str, content: bytes, query: str
) -> None:
    check(http.post(f"/predictions/{model}{query}", content=content))


fragments = st.one_of(
    st.sampled_from(
        [
            b"--x",
            b"--x--",
            b"--y",
            b"\r\n",
            b"\r\n\r\n",
            b"\n",
            b"Content-Disposition: form-data; name=a; filename=b\r\n",
            b"Content-Disposition: form-data; name=\xff",
            b"Content-Type: multipart/mixed; boundary=y\r\n",
            b"Content-Type: image/jpeg\r\n",
            b"Content-Length: 5\r\n",
            b"Content-Length: -1\r\n",
            b"Content-Transfer-Encoding: base64\r\n",
            b"Content-Transfer-Encoding: quoted-printable\r\n",
            b"Content-Transfer-Encoding: binary\r\n",
            b"Content-Transfer-Encoding: nothing\r\n",
            b"Content-Encoding: gzip\r\n",
            b"Content-Encoding: br\r\n",
            b"YWJj",
        ]
    ),
    st.binary(max_size=20),
)


@fuzz
@given(
    st.lists(fragments, max_size=12).map(b"".join),
    st.sampled_from(
        ["form-data; boundary=x", "mixed; boundary=x", "form-data", 'form-data; boundary="', "x"]
    ),
)
def test_any_form_gets_a_response(http: httpx.Client, content: bytes, kind: str) -> None:
    start = b"--x\r\n" if content[:1] != b"-" else b""
    headers = {"Content-Type": f"multipart/{kind}"}
    check(http.post("/predictions/detector", content=start + content, headers=headers))


@fuzz
@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"]),
    st.lists(
        st.one_of(
            st.sampled_from(
                ["predictions", "v2", "models", "versions", "ready", "infer", "health", "", ".."]
            ),
            words,
            st.sampled_from(["%00", "%ff", "%2F", "%", "%zz", "\u2028", "{model}"]),
        ),
        max_size=6,
    ),
)
def test_any_path_gets_a_response(http: httpx.Client, method: str, parts: list[str]) -> None:
    url = httpx.URL(http.base_url.join("/"), raw_path=raw_path(parts))
    check(http.request(method, url))


def raw_path(parts: list[str]) -> bytes:
    """Removes characters that no URL may contain, and repairs nothing else."""
    path = "/" + "/".join(parts)
    kept = re.sub(r"[^!-~]|[#]", lambda m: "%" + m[0].encode(errors="replace").hex()[:2], path)
    return kept.encode()


NAMES = [
    b"X-Request-ID",
    b"X-Request-Timeout",
    b"traceparent",
    b"Content-Type",
    b"Content-Encoding",
    b"Inference-Header-Content-Length",
    b"Accept",
    b"Expect",
    b"Connection",
    b"Cookie",
    b"Upgrade",
    b"Host",
    b"X-Deepfake-Options",
]
values = st.one_of(
    st.binary(max_size=30).map(lambda data: re.sub(rb"[\r\n]", b"", data)),
    st.sampled_from(
        [b"gzip", b"br", b"identity", b"close", b"upgrade", b"multipart/form-data", b"5", b"1e9"]
    ),
    st.sampled_from([b"x" * 6000, b"\xff" * 100, b"100-continue", b"h2c", b"application/json"]),
)


@fuzz
@given(
    st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=5),
    st.sampled_from(
        [b"POST /predictions/detector", b"POST /v2/models/detector/infer", b"GET /v2/models/faces"]
    ),
    st.binary(max_size=50),
)
def test_any_headers_get_a_response(
    server: RunningServer, headers: list[tuple[bytes, bytes]], target: bytes, body: bytes
) -> None:
    """Uses a plain socket, since no client sends such headers. The parser refuses with HTTP/1.0."""
    lines = [target + b" HTTP/1.1", b"Connection: close"]
    lines += [name + b": " + value for name, value in headers]
    lines += [b"Content-Length: %d" % len(body), b"", body]
    with socket.create_connection(
        ("127.0.0.1", server.ports["http"]), timeout=GUARD_S
    ) as connection:
        connection.sendall(b"\r\n".join(lines))
        response = b""
        while b"\r\n\r\n" not in response.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"):
            received = connection.recv(65536)
            assert received, response
            response += received
    response = response.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    status = int(response[9:12])
    assert status < 500 or (status == 504 and b"X-Request-Timeout" in dict(headers)), response
    if response.startswith(b"HTTP/1.1") and status >= 400:
        assert MEDIA_TYPE.encode() in response


# the Open Inference Protocol by REST

tensor = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(st.sampled_from(["images", "crops"]), any_json),
        "datatype": st.one_of(st.sampled_from(["BYTES", "UINT8", "FP32"]), any_json),
        "shape": st.one_of(st.lists(numbers, max_size=5), any_json),
        "data": st.one_of(
            st.lists(contents.map(lambda c: base64.b64encode(c).decode()), max_size=3),
            st.lists(st.integers(-1, 256), max_size=12),
            any_json,
        ),
        "parameters": st.one_of(
            st.fixed_dictionaries({"binary_data_size": st.one_of(st.integers(-1, 300), any_json)}),
            any_json,
        ),
    },
)
sensible = st.builds(
    lambda images, **more: {
        "name": "images",
        "datatype": "BYTES",
        "shape": [len(images)],
        "data": [base64.b64encode(p).decode() for p in images],
    },
    st.lists(contents, max_size=4),
)
infer_request = st.one_of(
    any_json,
    st.fixed_dictionaries(
        {"inputs": st.one_of(st.lists(st.one_of(sensible, tensor), max_size=2), any_json)},
        optional={
            "id": any_json,
            "parameters": st.one_of(
                st.fixed_dictionaries(
                    {}, optional={"crops": any_json, "binary_data_output": any_json}
                ),
                any_json,
            ),
            "outputs": st.one_of(
                st.lists(
                    st.fixed_dictionaries({"name": words}, optional={"parameters": any_json}),
                    max_size=3,
                ),
                any_json,
            ),
        },
    ),
)


@settings(max_examples=examples(600))
@given(st.sampled_from(MODELS), infer_request)
def test_any_json_gets_a_response(http: httpx.Client, model: str, document: Any) -> None:
    check(http.post(f"/v2/models/{model}/infer", content=json.dumps(document)))


@fuzz
@given(
    infer_request,
    st.one_of(st.binary(max_size=40), contents.map(joined)),
    st.one_of(st.just(0), st.integers(-20, 20)),
)
def test_any_binary_request_gets_a_response(
    http: httpx.Client, document: Any, raw: bytes, off: int
) -> None:
    head = json.dumps(document).encode()
    headers = {"Inference-Header-Content-Length": str(len(head) + off)}
    check(http.post("/v2/models/detector/infer", content=head + raw, headers=headers))


@fuzz
@given(st.lists(st.integers(0, 4), max_size=5), st.binary(max_size=100), st.booleans())
def test_any_raw_tensor_gets_a_response(
    http: httpx.Client, shape: list[int], raw: bytes, pixels: bool
) -> None:
    given_tensor = {
        "name": "images",
        "datatype": "UINT8" if pixels else "BYTES",
        "shape": shape,
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"inputs": [given_tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    check(http.post("/v2/models/detector/infer", content=head + raw, headers=headers))


# gRPC


@fuzz
@given(st.sampled_from(METHODS), st.binary(max_size=200))
def test_any_bytes_as_a_message_get_a_response(
    channel: grpc.Channel, method: str, data: bytes
) -> None:
    check_call(channel, method, data)


unicode = st.text(max_size=20)
small_ints = st.one_of(st.integers(-2, 4), st.sampled_from([2**31, 2**63 - 1, -(2**63)]))
parameter = st.one_of(
    st.builds(oip_pb2.InferParameter),
    st.builds(oip_pb2.InferParameter, bool_param=st.booleans()),
    st.builds(oip_pb2.InferParameter, int64_param=small_ints),
    st.builds(oip_pb2.InferParameter, string_param=unicode),
    st.builds(oip_pb2.InferParameter, double_param=st.floats()),
)
parameters = st.dictionaries(st.one_of(st.just("crops"), unicode), parameter, max_size=2)
input_message = st.builds(
    oip_pb2.ModelInferRequest.InferInputTensor,
    name=st.one_of(st.sampled_from(["images", "crops"]), unicode),
    datatype=st.one_of(st.sampled_from(["BYTES", "UINT8", "FP32"]), unicode),
    shape=st.lists(small_ints, max_size=5),
    parameters=parameters,
    contents=st.builds(
        oip_pb2.InferTensorContents,
        bytes_contents=st.lists(contents, max_size=3),
        uint_contents=st.lists(st.integers(0, 2**32 - 1), max_size=12),
        fp32_contents=st.lists(st.floats(width=32), max_size=2),
    ),
)
infer_call = st.builds(
    oip_pb2.ModelInferRequest,
    model_name=st.one_of(st.sampled_from(MODELS), unicode),
    model_version=st.one_of(st.just(""), st.just(VERSIONS["detector"]), unicode),
    id=unicode,
    parameters=parameters,
    inputs=st.lists(input_message, max_size=2),
    outputs=st.lists(
        st.builds(oip_pb2.ModelInferRequest.InferRequestedOutputTensor, name=words), max_size=3
    ),
    raw_input_contents=st.lists(
        st.one_of(contents, st.lists(contents, max_size=3).map(lambda c: joined(*c))), max_size=2
    ),
)
messages = st.one_of(
    st.tuples(st.just("/inference.GRPCInferenceService/ModelInfer"), infer_call),
    st.tuples(
        st.just("/deepfake.v1.Detector/DetectImage"),
        st.builds(
            detector_pb2.DetectImageRequest,
            image=contents,
            model=st.one_of(st.just(""), words),
            id=unicode,
        ),
    ),
    st.tuples(
        st.just("/deepfake.v1.Detector/DetectBatch"),
        st.builds(
            detector_pb2.DetectBatchRequest, images=st.lists(contents, max_size=10), id=unicode
        ),
    ),
)


@settings(max_examples=examples(600))
@given(messages)
def test_any_message_gets_a_response(channel: grpc.Channel, message: tuple[str, Any]) -> None:
    method, content = message
    check_call(channel, method, content.SerializeToString())


SOUND = [
    oip_pb2.ModelInferRequest(
        model_name="detector",
        inputs=[
            oip_pb2.ModelInferRequest.InferInputTensor(name="images", datatype="BYTES", shape=[2])
        ],
        raw_input_contents=[joined(IMAGES[0], IMAGES[1])],
    ).SerializeToString(),
    detector_pb2.DetectBatchRequest(images=IMAGES[:3], id="mine").SerializeToString(),
]


@fuzz
@given(st.sampled_from(METHODS), damaged(SOUND))
def test_any_damaged_message_gets_a_response(
    channel: grpc.Channel, method: str, data: bytes
) -> None:
    check_call(channel, method, data)


KEYS = ["x-request-id", "traceparent", "x-deepfake-options", "grpc-trace-bin", "any-bin", "any"]
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300)


@fuzz
@given(
    st.lists(
        st.sampled_from(KEYS).flatmap(
            lambda key: st.tuples(
                st.just(key), st.binary(max_size=100) if key.endswith("-bin") else printable
            )
        ),
        max_size=4,
    ),
    st.one_of(st.just(b""), st.binary(max_size=10)),
)
def test_any_metadata_get_a_response(
    channel: grpc.Channel, metadata: list[tuple[str, Any]], data: bytes
) -> None:
    check_call(channel, METHODS[0], data, metadata=metadata)


@fuzz
@given(st.binary(max_size=100), st.booleans())
def test_any_bytes_as_http2_leave_the_server_running(
    server: RunningServer, data: bytes, preface: bool
) -> None:
    """Sends arbitrary bytes to the gRPC port."""
    start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">IBI", 4, 0, 0)
    with socket.create_connection(
        ("127.0.0.1", server.ports["grpc"]), timeout=GUARD_S
    ) as connection:
        connection.sendall(start + data if preface else data)
