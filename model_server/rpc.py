"""gRPC: the same predictions as REST, with problems as `google.rpc.Status` details."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from contracts.problems import Problem
from contracts.protos.deepfake.v1 import detector_pb2, detector_pb2_grpc
from contracts.protos.inference import open_inference_pb2, open_inference_pb2_grpc
from model_server.exchange import Exchange, as_problem
from model_server.predictor import Predictor
from model_server.rpc_detector import DetectorService, problem_message
from model_server.rpc_oip import InferenceService
from model_server.state import ServerState

Request = TypeVar("Request")
Response = TypeVar("Response")
Context = Any
Method = Callable[[Request, Exchange, float], Awaitable[Response]]

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_SERVICES = (
    detector_pb2.DESCRIPTOR.services_by_name["Detector"].full_name,
    open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name,
)


def build_server(predictor: Predictor) -> tuple[grpc.aio.Server, Any]:
    """A server with all services, not yet bound or started, and its health service."""
    limit = predictor.settings.max_body_bytes + 64 * 1024
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", limit),
            ("grpc.max_send_message_length", limit),
            ("grpc.so_reuseport", 0),
        ]
    )
    wrap = _Wrapper(predictor)
    detector_pb2_grpc.add_DetectorServicer_to_server(
        wrap(DetectorService(predictor), _SERVICES[0]), server
    )
    open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(
        wrap(InferenceService(predictor), _SERVICES[1]), server
    )
    checker = health.aio.HealthServicer()  # type: ignore[attr-defined]  # its stubs lack aio
    health_pb2_grpc.add_HealthServicer_to_server(checker, server)
    names = (*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return server, checker


async def follow_health(checker: Any, state: ServerState) -> None:
    """Keeps grpc.health.v1 saying what /readyz says."""
    while True:
        status = (
            health_pb2.HealthCheckResponse.SERVING
            if state.ready
            else health_pb2.HealthCheckResponse.NOT_SERVING
        )
        for service in ("", *_SERVICES):
            await checker.set(service, status)
        try:
            await asyncio.wait_for(state.changed(), 0.5)
        except TimeoutError:
            continue


class _Wrapper:
    """Gives every method of a service what the REST middleware gives its handlers."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def __call__(self, service: Any, name: str) -> Any:
        """A servicer whose methods take `(request, context)`, around ones that take
        `(request, exchange, deadline)`."""
        methods = [m for m in dir(service) if m[0].isupper()]
        wrapped = {
            m: staticmethod(self._method(getattr(service, m), f"/{name}/{m}")) for m in methods
        }
        return type(type(service).__name__, (), wrapped)()

    def _method(self, method: Method[Any, Any], route: str) -> Callable[[Any, Context], Any]:
        async def call(request: Any, context: Context) -> Any:
            metadata = {k: v for k, v in context.invocation_metadata() or () if isinstance(v, str)}
            given = metadata.get("x-request-id") or getattr(request, "id", None)
            exchange = Exchange(route, given, metadata.get("traceparent"))
            problem: Problem | None = None
            try:
                context.set_trailing_metadata((("x-request-id", exchange.id),))
                deadline = self.predictor.deadline(context.time_remaining())
                return await method(request, exchange, deadline)
            except Exception as error:
                problem = as_problem(error, exchange)
                await _abort(context, problem, exchange.id)
            finally:
                status = problem.status if problem else 200
                exchange.end(status, self.predictor.metrics, problem)

        return call


async def _abort(context: Context, problem: Problem, request_id: str) -> NoReturn:
    """Ends the call with the problem as status, text and details
    (https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto)."""
    detail = AnyMessage()
    detail.Pack(problem_message(problem, request_id))
    status = Status(code=problem.grpc_code, message=problem.detail, details=[detail])
    trailing: list[tuple[str, str | bytes]] = [
        ("x-request-id", request_id),
        ("grpc-status-details-bin", status.SerializeToString()),
    ]
    if problem.retry_after_s is not None:
        trailing.append(("retry-after", str(problem.retry_after_s)))
    await context.abort(_CODES[problem.grpc_code], problem.detail, tuple(trailing))
    raise AssertionError("abort returned")
