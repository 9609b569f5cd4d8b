"""`inference.GRPCInferenceService`: the Open Inference Protocol over gRPC."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import ParseDict

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as pb
from deepfake_serving.model_server.prediction import oip, oip_extensions
from deepfake_serving.model_server.prediction.predictor import Call, Predictor
from deepfake_serving.model_server.state import Phase
from deepfake_serving.runtime.model_repository import refuse_loading
from deepfake_serving.runtime.request_scope import RequestScope
from model_handlers.wire import FLAGS, join_bytes


class InferenceService:
    """The methods take a request, its scope and its deadline on the loop's clock."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    async def ServerLive(  # noqa: N802 - the protocol's name
        self, _: pb.ServerLiveRequest, request_scope: RequestScope, deadline: float
    ) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=self.predictor.state.phase is not Phase.DEAD)

    async def ServerReady(  # noqa: N802 - the protocol's name
        self, _: pb.ServerReadyRequest, request_scope: RequestScope, deadline: float
    ) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=self.predictor.state.ready)

    async def ModelReady(  # noqa: N802 - the protocol's name
        self, request: pb.ModelReadyRequest, request_scope: RequestScope, deadline: float
    ) -> pb.ModelReadyResponse:
        model = self.predictor.model(request.name, request.version)
        return pb.ModelReadyResponse(ready=self.predictor.state.model_ready(model.name))

    async def ServerMetadata(  # noqa: N802 - the protocol's name
        self, _: pb.ServerMetadataRequest, request_scope: RequestScope, deadline: float
    ) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(**oip.server_metadata())

    async def ModelMetadata(  # noqa: N802 - the protocol's name
        self, request: pb.ModelMetadataRequest, request_scope: RequestScope, deadline: float
    ) -> pb.ModelMetadataResponse:
        metadata = oip.model_metadata(self.predictor.model(request.name, request.version))
        tensor = pb.ModelMetadataResponse.TensorMetadata
        for side in ("inputs", "outputs"):
            metadata[side] = [tensor(**each) for each in metadata[side]]
        return pb.ModelMetadataResponse(**metadata)

    async def ModelInfer(  # noqa: N802 - the protocol's name
        self, request: pb.ModelInferRequest, request_scope: RequestScope, deadline: float
    ) -> pb.ModelInferResponse:
        model = self.predictor.model(request.model_name, request.model_version)
        oip.check_counts(len(request.inputs), len(request.outputs))
        parameters = _parameters(request)
        tensor = oip.tensor_of(model, _input(request), parameters)
        names = [output.name for output in request.outputs]
        oip.choose(oip.outputs(model, []), names)  # refuses unknown outputs before predicting
        request_scope.note(model=model.name, items=tensor.shape[0])
        options = oip.options_header(parameters)
        call = Call(model, tensor, request_scope.id, deadline, request_scope.traceparent, options)
        results = await self.predictor.many(call, request_scope, raise_lone=True)
        chosen = oip.choose(oip.outputs(model, results), names)
        described = pb.ModelInferResponse.InferOutputTensor
        return pb.ModelInferResponse(
            model_name=model.name,
            model_version=model.version,
            id=request.id or request_scope.id,
            outputs=[described(name=o.name, datatype=o.datatype, shape=o.shape) for o in chosen],
            raw_output_contents=[o.raw() for o in chosen],
        )

    async def RepositoryIndex(  # noqa: N802 - Triton's name
        self, request: pb.RepositoryIndexRequest, request_scope: RequestScope, deadline: float
    ) -> pb.RepositoryIndexResponse:
        index = oip_extensions.repository_index(self.predictor, request.ready)
        return ParseDict({"models": index}, pb.RepositoryIndexResponse())

    async def RepositoryModelLoad(  # noqa: N802 - Triton's name
        self, _: pb.RepositoryModelLoadRequest, request_scope: RequestScope, deadline: float
    ) -> pb.RepositoryModelLoadResponse:
        raise refuse_loading()

    async def RepositoryModelUnload(  # noqa: N802 - Triton's name
        self, _: pb.RepositoryModelUnloadRequest, request_scope: RequestScope, deadline: float
    ) -> pb.RepositoryModelUnloadResponse:
        raise refuse_loading()

    async def ModelConfig(  # noqa: N802 - Triton's name
        self, request: pb.ModelConfigRequest, request_scope: RequestScope, deadline: float
    ) -> pb.ModelConfigResponse:
        config = oip_extensions.model_config(self.predictor.model(request.name, request.version))
        return ParseDict({"config": config}, pb.ModelConfigResponse())

    async def ModelStatistics(  # noqa: N802 - Triton's name
        self, request: pb.ModelStatisticsRequest, request_scope: RequestScope, deadline: float
    ) -> pb.ModelStatisticsResponse:
        statistics = oip_extensions.statistics(self.predictor, request.name, request.version)
        return ParseDict(statistics, pb.ModelStatisticsResponse())


def _input(request: pb.ModelInferRequest) -> oip.Input:
    raws, tensor = request.raw_input_contents, request.inputs[0]
    if len(raws) > 1:
        raise InvalidRequest(f"{len(raws)} raw contents were sent for one input")
    raw = raws[0] if raws else _raw(tensor)
    return oip.Input(tensor.name, tensor.datatype, tuple(tensor.shape), raw)


def _parameters(request: pb.ModelInferRequest) -> dict[str, Any]:
    """Returns the supported parameters only; there may be very many others."""
    given = request.parameters
    return {name: _value(given[name]) for name in (*FLAGS, *oip.PER_ITEM) if name in given}


def _raw(tensor: pb.ModelInferRequest.InferInputTensor) -> bytes:
    """Returns typed contents in raw form: BYTES in bytes_contents, UINT8 in uint_contents."""
    if tensor.datatype == "BYTES":
        return join_bytes(tensor.contents.bytes_contents)
    return oip.raw_from_json(tensor.datatype, list(tensor.contents.uint_contents))


def _value(parameter: pb.InferParameter) -> Any:
    kind = parameter.WhichOneof("parameter_choice")
    return getattr(parameter, kind) if kind else None
