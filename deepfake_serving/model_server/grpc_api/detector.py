"""`deepfake.v1.Detector`: verdicts as protobuf messages."""

from __future__ import annotations

from typing import Any

from deepfake_serving.contracts.messages import problem_message, verdict_message
from deepfake_serving.contracts.problems import InvalidRequest, Problem
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.model_server.prediction.oip import options_header
from deepfake_serving.model_server.prediction.predictor import Call, Predictor, Tensor
from deepfake_serving.runtime.request_scope import RequestScope
from model_handlers.wire import join_bytes


class DetectorService:
    """The methods take a request, its scope and its deadline on the loop's clock."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    async def DetectImage(  # noqa: N802 - the protocol's name
        self, request: pb.DetectImageRequest, request_scope: RequestScope, deadline: float
    ) -> pb.ImageVerdict:
        model = self.predictor.detector(request.model)
        request_scope.note(model=model.name, bytes=len(request.image))
        flags = {name: True for name in ("explain", "preview") if getattr(request, name)}
        options = options_header(flags) if flags else None
        call = Call(
            model, request.image, request_scope.id, deadline, request_scope.traceparent, options
        )
        reply = await self.predictor.one(call)
        request_scope.note(verdict=reply.document["verdict"])
        return verdict_message(reply.document)

    async def DetectBatch(  # noqa: N802 - the protocol's name
        self, request: pb.DetectBatchRequest, request_scope: RequestScope, deadline: float
    ) -> pb.DetectBatchResponse:
        model = self.predictor.detector(request.model)
        if not request.images:
            raise InvalidRequest("the batch has no image")
        request_scope.note(model=model.name, items=len(request.images))
        tensor = Tensor("BYTES", (len(request.images),), join_bytes(request.images))
        options = options_header({"explain": True}) if request.explain else None
        call = Call(model, tensor, request_scope.id, deadline, request_scope.traceparent, options)
        results = await self.predictor.many(call, request_scope)
        return pb.DetectBatchResponse(
            results=[_result(r, f"{request_scope.id}.{n}") for n, r in enumerate(results)]
        )


def _result(result: dict[str, Any] | Problem, item_id: str) -> pb.BatchResult:
    if isinstance(result, Problem):
        return pb.BatchResult(problem=problem_message(result, item_id))
    return pb.BatchResult(verdict=verdict_message(result))
