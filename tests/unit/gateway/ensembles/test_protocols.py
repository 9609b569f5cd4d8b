"""Ensembles by KServe's V1 protocol, and by the Open Inference Protocol over gRPC."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import orjson
import pytest

from deepfake_serving.contracts.problems import (
    InvalidRequest,
    UnknownModel,
)
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as pb
from deepfake_serving.gateway.ensembles.inference import OUTPUTS
from deepfake_serving.gateway.grpc_api.ensembles import (
    call_ensemble,
    infer_response,
    rest_request,
)
from deepfake_serving.gateway.upstream.statistics import model_statistics
from tests.support.members import (
    Member,
    trio,
)
from tests.support.replicas import Names, context


async def test_kserves_first_protocol_has_ensembles(names: Names, members: list[Member]) -> None:
    instance = {"image": {"b64": base64.b64encode(b"image").decode()}}
    body = orjson.dumps({"instances": [instance, instance]})
    async with trio(names, members) as upstream:
        response = await upstream.request(
            "POST", "/v1/models/trio:predict", "trio", context(), body
        )
        with pytest.raises(InvalidRequest, match="instances"):
            await upstream.request("POST", "/v1/models/trio:predict", "trio", context(), b"{}")
    predictions = orjson.loads(response.body)["predictions"]
    assert [each["fake_probability"] for each in predictions] == [0.5, 0.5]


@pytest.mark.parametrize("version", ["1.0", "1"])
async def test_an_ensemble_has_its_version_only(
    version: str, names: Names, members: list[Member]
) -> None:
    async with trio(names, members) as upstream:
        path = f"/v2/models/trio/versions/{version}/ready"
        assert (await upstream.request("GET", path, "trio", context())).status == 200
        with pytest.raises(UnknownModel, match=r"in version 1\.0, not '2'"):
            await upstream.request("GET", "/v2/models/trio/versions/2/ready", "trio", context())


async def test_statistics_are_those_of_the_members(names: Names, members: list[Member]) -> None:
    async with trio(names, members) as upstream:
        with pytest.raises(InvalidRequest, match="its members have"):
            await model_statistics(upstream, "/v2/models/trio/stats", "trio", context())


async def test_an_ensemble_is_called_by_grpc(names: Names, members: list[Member]) -> None:
    contents = pb.InferTensorContents(bytes_contents=[b"one", b"two"])
    tensor = pb.ModelInferRequest.InferInputTensor(
        name="images", datatype="BYTES", shape=[2], contents=contents
    )
    request = pb.ModelInferRequest(model_name="trio", id="mine", inputs=[tensor])
    async with trio(names, members) as upstream:
        response: Any = await call_ensemble(upstream, "ModelInfer", request, "trio", context())
        named = pb.ModelMetadataRequest(name="trio")
        metadata: Any = await call_ensemble(upstream, "ModelMetadata", named, "trio", context())
        versioned = pb.ModelReadyRequest(name="trio", version="1")
        ready: Any = await call_ensemble(upstream, "ModelReady", versioned, "trio", context())
        config = pb.ModelConfigRequest(name="trio")
        with pytest.raises(InvalidRequest, match="its members have"):
            await call_ensemble(upstream, "ModelConfig", config, "trio", context())
    assert (response.model_name, response.id) == ("trio", "mine")
    assert [output.name for output in response.outputs] == list(OUTPUTS)
    assert np.frombuffer(response.raw_output_contents[0], "<f4").tolist() == [0.5, 0.5]
    assert response.raw_output_contents[1] == b"\x0a\0\0\0suspicious" * 2
    assert [tuple(output.shape) for output in metadata.outputs] == [(-1,)] * 3
    assert ready.ready


@pytest.mark.parametrize(
    ("raws", "datatypes"),
    [([], []), ([b"a", b"b"], ["BYTES"]), ([], ["UINT8"]), ([], ["BYTES", "BYTES"])],
)
def test_a_message_without_one_input_is_refused(raws: list[bytes], datatypes: list[str]) -> None:
    tensors = [pb.ModelInferRequest.InferInputTensor(name="x", datatype=d) for d in datatypes]
    with pytest.raises(InvalidRequest):
        rest_request(pb.ModelInferRequest(inputs=tensors, raw_input_contents=raws))


def test_a_problem_has_no_probability() -> None:
    output = {"name": "fake_probability", "datatype": "FP32", "shape": [2], "data": [0.25, None]}
    document = {"model_name": "trio", "model_version": "1.0", "id": "x", "outputs": [output]}
    (raw,) = infer_response(document).raw_output_contents
    assert np.array_equal(np.frombuffer(raw, "<f4"), [0.25, np.nan], equal_nan=True)
