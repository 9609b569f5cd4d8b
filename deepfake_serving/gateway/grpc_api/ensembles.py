"""The Open Inference Protocol over gRPC for ensembles: REST's requests and responses, converted.

https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson
from google.protobuf.json_format import ParseDict

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as pb
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.gateway.upstream.frames import image_tensor

_PATHS = {"ModelReady": "/ready", "ModelMetadata": "", "ModelConfig": "/config"}


async def call_ensemble(
    upstream: Upstream, method: str, request: Any, model: str, context: RequestContext
) -> Any:
    """Calls a method of `GRPCInferenceService` for an ensemble.

    Raises:
        Problem: as by REST.
    """
    version = request.model_version if method == "ModelInfer" else request.version
    path = f"/v2/models/{quote(model, safe='')}"
    path += f"/versions/{quote(version, safe='')}" if version else ""
    if method == "ModelInfer":
        body, headers = rest_request(request)
        response = await upstream.request("POST", f"{path}/infer", model, context, body, headers)
        return infer_response(orjson.loads(response.body))
    response = await upstream.request("GET", path + _PATHS[method], model, context)
    document = orjson.loads(response.body)
    if method == "ModelReady":
        return pb.ModelReadyResponse(ready=document["ready"])
    return ParseDict(document, pb.ModelMetadataResponse())


def rest_request(request: pb.ModelInferRequest) -> tuple[bytes, dict[str, str]]:
    """Returns a request in REST's binary form: its body, and the header with its JSON's length.

    Raises:
        InvalidRequest: there is not one input, or its contents are not bytes.
    """
    if len(request.inputs) != 1 or len(request.raw_input_contents) > 1:
        raise InvalidRequest("the request has to have one input")
    tensor = request.inputs[0]
    raw = request.raw_input_contents[0] if request.raw_input_contents else _typed(tensor)
    described = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.shape),
        "parameters": {"binary_data_size": len(raw)},
    }
    outputs = [{"name": output.name} for output in request.outputs]
    head = orjson.dumps({"inputs": [described], "outputs": outputs, "id": request.id})
    return head + raw, {"Inference-Header-Content-Length": str(len(head))}


def infer_response(document: dict[str, Any]) -> pb.ModelInferResponse:
    """Returns a response by REST as a message with raw contents; null is NaN."""
    tensor = pb.ModelInferResponse.InferOutputTensor
    outputs = document["outputs"]
    return pb.ModelInferResponse(
        model_name=document["model_name"],
        model_version=document["model_version"],
        id=document["id"],
        outputs=[tensor(name=o["name"], datatype=o["datatype"], shape=o["shape"]) for o in outputs],
        raw_output_contents=[_raw(o["datatype"], o["data"]) for o in outputs],
    )


def _typed(tensor: pb.ModelInferRequest.InferInputTensor) -> bytes:
    if tensor.datatype != "BYTES":
        raise InvalidRequest(f"{tensor.datatype} has to be sent in raw_input_contents")
    return b"".join(image_tensor(*tensor.contents.bytes_contents).buffers)


def _raw(datatype: str, values: Sequence[Any]) -> bytes:
    if datatype == "BYTES":
        return b"".join(image_tensor(*(value.encode() for value in values)).buffers)
    return np.asarray(values, dtype="<f4").tobytes()
