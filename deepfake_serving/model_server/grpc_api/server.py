"""gRPC: the same predictions as REST, with problems as `google.rpc.Status` details."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from deepfake_serving.contracts.inference import IMAGES_HEADER
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2
from deepfake_serving.contracts.protos.inference import open_inference_pb2
from deepfake_serving.model_server.grpc_api.detector import DetectorService
from deepfake_serving.model_server.grpc_api.inference import InferenceService
from deepfake_serving.model_server.prediction.predictor import Predictor
from deepfake_serving.model_server.state import ServerState
from deepfake_serving.runtime.request_scope import RequestScope
from deepfake_serving.runtime.rpc.errors import parse
from deepfake_serving.runtime.rpc.health import Health
from deepfake_serving.runtime.rpc.options import server_options
from deepfake_serving.runtime.rpc.request_scope import GrpcRequestScope
from deepfake_serving.runtime.rpc.wire import check_items

Request = TypeVar("Request")
Response = TypeVar("Response")
Context = Any
Method = Callable[[Request, RequestScope, float], Awaitable[Response]]

_DETECTOR = detector_pb2.DESCRIPTOR.services_by_name["Detector"]
_BATCH = detector_pb2.DetectBatchRequest
_INFERENCE = open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_SERVICES = (_DETECTOR.full_name, _INFERENCE.full_name)
_QUIET = (f"/{_INFERENCE.full_name}/ServerLive", f"/{_INFERENCE.full_name}/ServerReady")
"""Probes: neither counted nor logged, as on REST."""


def build_server(predictor: Predictor, stack: AsyncExitStack) -> grpc.aio.Server:
    """Builds a server with all services, not yet bound or started.

    Args:
        stack: ends the updates of the health status.
    """
    settings = predictor.settings
    limit = settings.max_body_bytes + 64 * 1024
    server = grpc.aio.server(options=server_options(limit, settings.grpc_connection_age_s))
    wrap = _Wrapper(predictor)
    server.add_generic_rpc_handlers(
        (
            wrap(DetectorService(predictor), _DETECTOR),
            wrap(InferenceService(predictor), _INFERENCE),
        )
    )
    health = Health(server, _SERVICES, predictor.state.in_flight.closing)
    following = asyncio.create_task(follow_health(health, predictor.state))
    stack.callback(following.cancel)
    return server


async def follow_health(health: Health, state: ServerState) -> None:
    """Keeps grpc.health.v1 in step with /readyz."""
    while True:
        await health.set(state.ready)
        try:
            async with asyncio.timeout(0.5):
                await state.changed()
        except TimeoutError:
            continue


class _Wrapper:
    """Runs every method of a service in a request scope, like the REST middleware."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def __call__(
        self, service: Any, descriptor: ServiceDescriptor
    ) -> grpc.GenericRpcHandler[Any, Any]:
        """Wraps a service's methods, which take `(request, request_scope, deadline)`."""
        handlers = {}
        for method in descriptor.methods:
            if not hasattr(service, method.name):
                continue  # a gateway's
            handler = self._method(
                getattr(service, method.name),
                GetMessageClass(method.input_type),
                f"/{descriptor.full_name}/{method.name}",
            )
            serialize = GetMessageClass(method.output_type).SerializeToString
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(
                handler, response_serializer=serialize
            )
        return grpc.method_handlers_generic_handler(descriptor.full_name, handlers)

    def _method(
        self, method: Method[Any, Any], kind: type[Any], route: str
    ) -> Callable[[bytes, Context], Any]:
        """Gets the message unparsed, because gRPC ends a malformed one with UNKNOWN."""

        async def call(data: bytes, context: Context) -> Any:
            request, broken = _read(kind, data, self.predictor.settings.max_items)
            scope = GrpcRequestScope(
                route,
                context,
                self.predictor.metrics,
                message_id=getattr(request, "id", None),
                recorded=route not in _QUIET,
            )
            async with scope as request_scope:
                if broken is not None:
                    raise broken
                deadline = self.predictor.deadline(context.time_remaining())
                with self.predictor.state.in_flight.track():
                    response = await method(request, request_scope, deadline)
                if (items := request_scope.fields.get("items")) is not None:
                    scope.send_metadata(**{IMAGES_HEADER.lower(): str(items)})
                return response

        return call


def _read(kind: type[Any], data: bytes, max_items: int) -> tuple[Any, Problem | None]:
    """Returns the message, or an empty one and its problem."""
    try:
        if kind is _BATCH:
            check_items(data, _BATCH.IMAGES_FIELD_NUMBER, max_items, "images")
        return parse(kind, data), None
    except Problem as broken:
        return kind(), broken
