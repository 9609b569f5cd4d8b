"""`deepfake.v1.Detector`: verdicts as protobuf messages."""

from __future__ import annotations

from typing import Any

from contracts.problems import InvalidRequest, Problem
from contracts.protos.deepfake.v1 import detector_pb2 as pb
from model_handlers.wire import join_bytes
from model_server.exchange import Exchange
from model_server.predictor import Call, Predictor, Tensor


class DetectorService:
    """Its methods take a request, its exchange and its deadline on the loop's clock."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    async def DetectImage(  # noqa: N802 - the protocol's name
        self, request: pb.DetectImageRequest, exchange: Exchange, deadline: float
    ) -> pb.ImageVerdict:
        model = self.predictor.detector(request.model)
        exchange.note(model=model.name, bytes=len(request.image))
        call = Call(model, request.image, exchange.id, deadline, exchange.traceparent)
        reply = await self.predictor.one(call)
        exchange.note(verdict=reply.document["verdict"])
        return verdict_message(reply.document)

    async def DetectBatch(  # noqa: N802 - the protocol's name
        self, request: pb.DetectBatchRequest, exchange: Exchange, deadline: float
    ) -> pb.DetectBatchResponse:
        model = self.predictor.detector(request.model)
        if not request.images:
            raise InvalidRequest("the batch holds no picture")
        exchange.note(model=model.name, items=len(request.images))
        tensor = Tensor("BYTES", (len(request.images),), join_bytes(request.images))
        call = Call(model, tensor, exchange.id, deadline, exchange.traceparent)
        results = await self.predictor.many(call)
        return pb.DetectBatchResponse(
            results=[_result(r, f"{exchange.id}.{n}") for n, r in enumerate(results)]
        )


def verdict_message(document: dict[str, Any]) -> pb.ImageVerdict:
    """The JSON verdict as its message."""
    message = pb.ImageVerdict(
        id=document["id"] or "",
        verdict=_word(document["verdict"]),
        faces=[_face(face) for face in document["faces"]],
        width=document["width"],
        height=document["height"],
        model=pb.Model(
            name=document["model"]["name"],
            version=document["model"]["version"],
            digest=document["model"]["digest"] or "",
            trained=document["model"]["trained"],
        ),
        timings_ms=document["timings_ms"],
    )
    if document["fake_probability"] is not None:
        message.fake_probability = document["fake_probability"]
    return message


def problem_message(problem: Problem, request_id: str) -> pb.Problem:
    """The problem document as its message."""
    return pb.Problem(
        type=problem.type,
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        id=request_id,
        retry_after_s=problem.retry_after_s,
    )


def _result(result: dict[str, Any] | Problem, item_id: str) -> pb.BatchResult:
    if isinstance(result, Problem):
        return pb.BatchResult(problem=problem_message(result, item_id))
    return pb.BatchResult(verdict=verdict_message(result))


def _face(face: dict[str, Any]) -> pb.Face:
    x1, y1, x2, y2 = face["box"]
    return pb.Face(
        box=pb.Box(x1=x1, y1=y1, x2=x2, y2=y2),
        landmarks=[pb.Point(x=x, y=y) for x, y in face["landmarks"]],
        detection_confidence=face["detection_confidence"],
        fake_probability=face["fake_probability"],
        verdict=_word(face["verdict"]),
        models=face["models"],
    )


def _word(verdict: str) -> pb.Verdict.ValueType:
    return pb.Verdict.Value(f"VERDICT_{verdict.upper()}")
