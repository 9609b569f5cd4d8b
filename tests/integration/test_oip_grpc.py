"""The Open Inference Protocol over gRPC, with the same semantics as over REST."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from deepfake_serving.contracts.protos.inference import open_inference_pb2 as pb
from deepfake_serving.contracts.protos.inference.open_inference_pb2_grpc import (
    GRPCInferenceServiceStub,
)
from model_handlers.pipeline.decode import Pixels
from tests.support.paths import MODELS
from tests.support.requests import (
    BAD_IMAGES,
    MAX_BODY,
    MAX_ITEMS,
    encoded,
    infer_message,
    joined,
    problem_of,
    rpc_problem_of,
    rpc_tensors,
    same,
    tensors,
)
from tests.support.versions import VERSIONS

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("unhurt")]

TEXT = b"a text"
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def results(response: pb.ModelInferResponse) -> list[dict[str, Any]]:
    """Returns the parsed result of each image."""
    return [json.loads(text) for text in rpc_tensors(response)["result"]]


# metadata and health


def test_the_server_is_live_and_ready_and_describes_itself(
    oip_stub: GRPCInferenceServiceStub, http: httpx.Client
) -> None:
    assert oip_stub.ServerLive(pb.ServerLiveRequest()).live
    assert oip_stub.ServerReady(pb.ServerReadyRequest()).ready
    reported = oip_stub.ServerMetadata(pb.ServerMetadataRequest())
    by_rest = http.get("/v2").json()
    assert (reported.name, reported.version) == (by_rest["name"], by_rest["version"])
    assert list(reported.extensions) == by_rest["extensions"]


@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_readiness_and_metadata_equal_those_of_rest(
    oip_stub: GRPCInferenceServiceStub, http: httpx.Client, model: str, versioned: bool
) -> None:
    version = VERSIONS[model] if versioned else ""
    assert oip_stub.ModelReady(pb.ModelReadyRequest(name=model, version=version)).ready
    reported = oip_stub.ModelMetadata(pb.ModelMetadataRequest(name=model, version=version))
    by_rest = http.get(f"/v2/models/{model}").json()
    assert (reported.name, reported.platform) == (by_rest["name"], by_rest["platform"])
    assert list(reported.versions) == by_rest["versions"]
    for side in ("inputs", "outputs"):
        output = [
            {"name": t.name, "datatype": t.datatype, "shape": list(t.shape)}
            for t in getattr(reported, side)
        ]
        assert output == by_rest[side]


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("nobody", ""),
        ("", ""),
        ("detector", "2.0"),
        ("DETECTOR", ""),
        ("n" * 1_000_000, ""),
        ("detector", "\U0001f600\x00\n" * 10_000),
    ],
    ids=["name", "no name", "version", "case", "long name", "long version"],
)
@pytest.mark.parametrize("method", ["ModelReady", "ModelMetadata", "ModelInfer"])
def test_an_unknown_model_is_not_found(
    oip_stub: GRPCInferenceServiceStub, method: str, name: str, version: str
) -> None:
    message: Any = {
        "ModelReady": pb.ModelReadyRequest(name=name, version=version),
        "ModelMetadata": pb.ModelMetadataRequest(name=name, version=version),
        "ModelInfer": pb.ModelInferRequest(model_name=name, model_version=version),
    }[method]
    with pytest.raises(grpc.RpcError) as refusal:
        getattr(oip_stub, method)(message)
    rpc_problem_of(refusal.value, grpc.StatusCode.NOT_FOUND, 404, "unknown-model")


# successes


@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
@pytest.mark.parametrize("model", MODELS)
def test_images_get_the_same_results_as_rest(
    oip_stub: GRPCInferenceServiceStub,
    http: httpx.Client,
    astronaut_jpeg: bytes,
    no_face_jpeg: bytes,
    model: str,
    raw: bool,
) -> None:
    images, name = [astronaut_jpeg, no_face_jpeg], "crops" if model == "classifier" else "images"
    version = VERSIONS[model]
    response = oip_stub.ModelInfer(
        infer_message(*images, model=model, name=name, raw=raw, id="mine", model_version=version)
    )
    by_rest = http.post(f"/v2/models/{model}/infer", json=encoded(*images, name=name))
    assert response.id == "mine"
    assert (response.model_name, response.model_version) == (model, version)
    expected = tensors(by_rest)
    assert [o.name for o in response.outputs] == list(expected)
    for output in response.outputs:
        assert output.datatype == expected[output.name]["datatype"]
        assert list(output.shape) == expected[output.name]["shape"]
    said = [json.loads(text) for text in expected["result"]["data"]]
    assert [same(r) for r in results(response)] == [same(r) for r in said]
    for output, values in rpc_tensors(response).items():
        if isinstance(values, np.ndarray):
            numbers = [np.nan if v is None else v for v in expected[output]["data"]]
            np.testing.assert_array_equal(values.ravel(), np.array(numbers, values.dtype))


def test_pixels_are_classified_with_and_without_a_batch_axis(
    oip_stub: GRPCInferenceServiceStub, astronaut: Pixels
) -> None:
    one = results(oip_stub.ModelInfer(infer_message(astronaut)))
    batch = results(oip_stub.ModelInfer(infer_message(astronaut[None])))
    assert [same(r) for r in one] == [same(r) for r in batch]
    assert len(one[0]["faces"]) == 1
    two = results(oip_stub.ModelInfer(infer_message(np.stack([astronaut, astronaut]))))
    assert [len(r["faces"]) for r in two] == [1, 1]
    small = astronaut[::4, ::4]
    typed = results(oip_stub.ModelInfer(infer_message(small, raw=False)))
    assert typed[0]["width"] == small.shape[1]


def test_only_requested_outputs_are_returned_in_order(
    oip_stub: GRPCInferenceServiceStub, no_face_jpeg: bytes
) -> None:
    message = infer_message(no_face_jpeg)
    for name in ("verdict", "fake_probability"):
        message.outputs.add(name=name)
    response = oip_stub.ModelInfer(message)
    assert [output.name for output in response.outputs] == ["verdict", "fake_probability"]
    assert rpc_tensors(response)["verdict"] == ["no_face"]
    assert np.isnan(rpc_tensors(response)["fake_probability"]).all()


@pytest.mark.parametrize("bad", BAD_IMAGES)
def test_a_bad_image_is_a_problem_at_its_position(
    oip_stub: GRPCInferenceServiceStub, no_face_jpeg: bytes, bad: str
) -> None:
    content, status, slug = BAD_IMAGES[bad]
    response = oip_stub.ModelInfer(infer_message(no_face_jpeg, content, no_face_jpeg))
    assert rpc_tensors(response)["verdict"] == ["no_face", "problem", "no_face"]
    problem = results(response)[1]
    assert problem["status"] == status
    assert problem["type"].endswith(slug)


@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
@pytest.mark.parametrize("name", BAD_IMAGES)
@pytest.mark.parametrize("model", MODELS)
def test_a_single_bad_image_gives_the_same_problem_as_rest(
    oip_stub: GRPCInferenceServiceStub, http: httpx.Client, model: str, name: str, raw: bool
) -> None:
    content, status, slug = BAD_IMAGES[name]
    tensor = "crops" if model == "classifier" else "images"
    with pytest.raises(grpc.RpcError) as refusal:
        oip_stub.ModelInfer(infer_message(content, model=model, name=tensor, raw=raw))
    problem = rpc_problem_of(refusal.value, INVALID, status, slug)
    reported = http.post(f"/v2/models/{model}/infer", json=encoded(content, name=tensor))
    by_rest = problem_of(reported, status, slug)
    assert (problem.title, problem.detail) == (by_rest["title"], by_rest["detail"])


def test_crops_of_faces_are_returned_if_requested(
    oip_stub: GRPCInferenceServiceStub, three_faces_jpeg: bytes
) -> None:
    message = infer_message(three_faces_jpeg, model="faces")
    plain = results(oip_stub.ModelInfer(message))[0]["faces"]
    message.parameters["crops"].bool_param = True
    response = oip_stub.ModelInfer(message)
    assert rpc_tensors(response)["face_count"].tolist() == [3]
    assert rpc_tensors(response)["boxes"].shape == (3, 4)
    assert rpc_tensors(response)["landmarks"].shape == (3, 5, 2)
    crops = [face["crop"] for face in results(response)[0]["faces"]]
    assert all(crop.startswith("data:image/png;base64,") for crop in crops)
    assert [face["crop"] for face in plain] == [None] * 3


def test_unknown_parameters_are_ignored(
    oip_stub: GRPCInferenceServiceStub, no_face_jpeg: bytes
) -> None:
    message = infer_message(no_face_jpeg, model="faces")
    for n in range(10_000):
        message.parameters[f"priority {n}"].int64_param = n
    message.parameters["crops"].SetInParent()  # present, but of no kind
    assert rpc_tensors(oip_stub.ModelInfer(message))["face_count"].tolist() == [0]


# refusals


def changed(**fields: Any) -> Callable[[pb.ModelInferRequest], None]:
    """Sets fields of the one input."""

    def change(message: pb.ModelInferRequest) -> None:
        for name, value in fields.items():
            if name == "shape":
                message.inputs[0].shape[:] = value
            else:
                setattr(message.inputs[0], name, value)

    return change


def raw(*contents: bytes) -> Callable[[pb.ModelInferRequest], None]:
    """Sets the raw contents."""

    def change(message: pb.ModelInferRequest) -> None:
        message.raw_input_contents[:] = contents

    return change


def outputs(*names: str) -> Callable[[pb.ModelInferRequest], None]:
    """Requests outputs."""

    def change(message: pb.ModelInferRequest) -> None:
        for name in names:
            message.outputs.add(name=name)

    return change


MALFORMED: dict[str, Callable[[pb.ModelInferRequest], Any]] = {
    "no input": lambda message: message.ClearField("inputs"),
    "two inputs": lambda message: message.inputs.add(),
    "a hundred thousand inputs": lambda message: message.inputs.extend(
        [pb.ModelInferRequest.InferInputTensor()] * 100_000
    ),
    "another name": changed(name="photos"),
    "a long name": changed(name="n" * 1_000_000),
    "a name of NULs": changed(name="\x00" * 100_000),
    "another type": changed(datatype="FP32"),
    "no type": changed(datatype=""),
    "a long type": changed(datatype="B" * 1_000_000),
    "no shape": changed(shape=[]),
    "an empty shape": changed(shape=[0]),
    "a shape of another count": changed(shape=[2]),
    "a negative shape": changed(shape=[-1]),
    "a doubly negative shape": changed(shape=[-1, -1]),
    "a huge shape": changed(shape=[2**63 - 1, 2**63 - 1]),
    "a shape that overflows to one": changed(shape=[2**32, 2**32]),
    "very many dimensions": changed(shape=[2**63 - 1] * 100_000),
    "pixels of three dimensions": changed(datatype="UINT8", shape=[10, 10, 4]),
    "pixels of a huge shape": changed(datatype="UINT8", shape=[2**62, 2**62, 3]),
    "pixels too few": changed(datatype="UINT8", shape=[1, 1, 3]),
    "two raw contents": raw(b"", b""),
    "a hundred thousand raw contents": raw(*[b""] * 100_000),
    "an empty raw content": raw(b""),
    "a raw content that ends in a length": raw(b"\x01\x00"),
    "a raw content that ends early": raw(b"\xff\xff\xff\xffa"),
    "a raw content that ends late": raw(joined(b"a") + b"\x00"),
    "no contents": lambda message: message.ClearField("raw_input_contents"),
    "an unknown output": outputs("boxes"),
    "a long output": outputs("n" * 1_000_000),
    "an output twice": outputs("verdict", "verdict"),
    "very many outputs": outputs(*["result"] * 100_000),
    "crops as a number": lambda message: setattr(message.parameters["crops"], "int64_param", 1),
    "crops as text": lambda message: setattr(message.parameters["crops"], "string_param", "true"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_is_refused(
    oip_stub: GRPCInferenceServiceStub, no_face_jpeg: bytes, name: str
) -> None:
    message = infer_message(no_face_jpeg)
    MALFORMED[name](message)
    with pytest.raises(grpc.RpcError) as refusal:
        oip_stub.ModelInfer(message)
    problem = rpc_problem_of(refusal.value, INVALID, 400, "invalid-request")
    assert len(problem.detail.encode()) <= 503


@pytest.mark.parametrize("values", [[256, 1, 1], [2**32 - 1, 1, 1], [1, 1], [1, 1, 1, 1], []])
def test_malformed_pixels_are_refused(
    oip_stub: GRPCInferenceServiceStub, values: list[int]
) -> None:
    message = pb.ModelInferRequest(model_name="detector")
    tensor = message.inputs.add(name="images", datatype="UINT8", shape=[1, 1, 3])
    tensor.contents.uint_contents.extend(values)
    with pytest.raises(grpc.RpcError) as refusal:
        oip_stub.ModelInfer(message)
    rpc_problem_of(refusal.value, INVALID, 400, "invalid-request")


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("count", [MAX_ITEMS + 1, 4096, 500_000])
def test_too_many_images_are_refused_at_once(
    oip_stub: GRPCInferenceServiceStub, count: int, typed: bool
) -> None:
    message = infer_message(*[b""] * count, raw=not typed)
    with pytest.raises(grpc.RpcError) as refusal:
        oip_stub.ModelInfer(message, timeout=60)
    rpc_problem_of(refusal.value, INVALID, 413, "too-large")


def test_contents_over_the_limit_are_refused_as_over_rest(
    oip_stub: GRPCInferenceServiceStub,
) -> None:
    """gRPC's own limit is slightly higher, to leave space for the rest of the message."""
    with pytest.raises(grpc.RpcError) as refusal:
        oip_stub.ModelInfer(infer_message(bytes(MAX_BODY)))
    rpc_problem_of(refusal.value, INVALID, 413, "too-large")
