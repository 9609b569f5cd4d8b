"""Good and bad images, requests of every form, and checks of refusals."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from typing import Any

import grpc
import httpx
import numpy as np
from google.rpc.status_pb2 import Status
from PIL import Image

from deepfake_serving.contracts.problems import MEDIA_TYPE, TYPE_PREFIX
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as oip_pb2

MAX_BODY = 4 * 2**20
"""`max_body_bytes` of the server under test."""
MAX_ITEMS = 8
"""`max_items` of the server under test."""


def bomb() -> bytes:
    """A PNG of a few bytes whose header declares 10^8 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def _truncated() -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "JPEG")
    return stream.getvalue()[:1000]  # a fourth of the lines; from half on they are analysed


BAD_IMAGES: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "invalid-request"),
    "text": (b"a text, not an image", 415, "unsupported-media-type"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", 415, "unsupported-media-type"),
    "zeros": (bytes(4096), 415, "unsupported-media-type"),
    "a magic number alone": (b"\xff\xd8\xff", 422, "undecodable-media"),
    "truncated": (_truncated(), 422, "undecodable-media"),
    "bomb": (bomb(), 422, "too-many-pixels"),
}
"""Content, status and problem type."""


def problem_of(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Checks the common properties of a refusal and returns its problem document."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    document = response.json()
    assert isinstance(document, dict)
    assert document["type"] == TYPE_PREFIX + slug
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["id"] == response.headers["x-request-id"]
    on_oip = response.request.url.path.startswith("/v2")
    assert document.get("error") == (document["detail"] if on_oip else None)
    return document


def rpc_problem_of(
    error: grpc.RpcError, code: grpc.StatusCode, status: int, slug: str
) -> detector_pb2.Problem:
    """Checks that a call's status and details agree, and returns the problem."""
    assert error.code() is code, error
    trailing = dict(error.trailing_metadata())
    rich = Status.FromString(trailing["grpc-status-details-bin"])
    assert rich.code == code.value[0]
    assert rich.message == error.details()
    problem = detector_pb2.Problem()
    (packed,) = rich.details
    assert packed.Unpack(problem)
    assert problem.type == TYPE_PREFIX + slug
    assert problem.status == status
    assert problem.detail == error.details()
    assert problem.id == trailing["x-request-id"]
    return problem


def same(reply: dict[str, Any]) -> dict[str, Any]:
    """Returns the part of a response that is the same for every request with one image."""
    return {key: value for key, value in reply.items() if key not in ("id", "timings_ms")}


def encoded(*images: bytes, name: str = "images", **more: Any) -> dict[str, Any]:
    """Builds an Open Inference Protocol request in JSON."""
    data = [base64.b64encode(image).decode() for image in images]
    tensor = {"name": name, "datatype": "BYTES", "shape": [len(images)], "data": data}
    return {"inputs": [tensor], **more}


def binary(
    *images: bytes | np.ndarray, name: str = "images", **more: Any
) -> tuple[bytes, dict[str, str]]:
    """Builds the body and headers of a binary request: images, or one array of pixels."""
    if isinstance(images[0], bytes):
        datatype, shape, raw = "BYTES", [len(images)], joined(*images)
    else:
        datatype, shape, raw = "UINT8", list(images[0].shape), images[0].tobytes()
    tensor = {
        "name": name,
        "datatype": datatype,
        "shape": shape,
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"inputs": [tensor], **more}).encode()
    return head + raw, {"Inference-Header-Content-Length": str(len(head))}


def joined(*elements: Any) -> bytes:
    """Serializes a BYTES tensor to raw form."""
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


def split(raw: bytes) -> list[bytes]:
    """Parses the elements of a BYTES tensor in raw form."""
    elements = []
    while raw:
        (size,) = struct.unpack_from("<I", raw)
        elements.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    return elements


def tensors(response: httpx.Response) -> dict[str, dict[str, Any]]:
    """Returns the outputs of a JSON response by name."""
    assert response.status_code == 200, response.text
    return {output["name"]: output for output in response.json()["outputs"]}


def infer_message(
    *images: bytes | np.ndarray,
    model: str = "detector",
    name: str = "images",
    raw: bool = True,
    **more: Any,
) -> oip_pb2.ModelInferRequest:
    """Builds the same request as a message, with raw or typed contents."""
    message = oip_pb2.ModelInferRequest(model_name=model, **more)
    first = images[0]
    pixels = isinstance(first, np.ndarray)
    shape = first.shape if isinstance(first, np.ndarray) else (len(images),)
    tensor = message.inputs.add(name=name, datatype="UINT8" if pixels else "BYTES", shape=shape)
    if raw:
        message.raw_input_contents.append(
            first.tobytes() if isinstance(first, np.ndarray) else joined(*images)
        )
    elif isinstance(first, np.ndarray):
        tensor.contents.uint_contents.extend(first.ravel().tolist())
    else:
        tensor.contents.bytes_contents.extend(images)
    return message


def rpc_tensors(response: oip_pb2.ModelInferResponse) -> dict[str, Any]:
    """Returns the values of a response's outputs by name, in their shapes."""
    kinds = {"FP32": np.float32, "INT32": np.int32}
    return {
        output.name: [element.decode() for element in split(raw)]
        if output.datatype == "BYTES"
        else np.frombuffer(raw, kinds[output.datatype]).reshape(list(output.shape))
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
    }
