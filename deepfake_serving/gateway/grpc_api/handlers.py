"""Handlers of the methods: authentication first, then the message, then the operation.

gRPC reads the message of a unary method before its handler runs. All methods are therefore
registered with a stream of request messages, which is the same on the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Literal

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from deepfake_serving.contracts.problems import NotReady, SlowRequest
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.auth.keys import Scope
from deepfake_serving.gateway.auth.shares import Shares
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.grpc_api.call import Call, StreamStopped
from deepfake_serving.gateway.grpc_api.message_memory import Message, MessageMemory
from deepfake_serving.runtime.rpc.errors import abort, parse
from deepfake_serving.runtime.rpc.request_scope import GrpcRequestScope
from deepfake_serving.runtime.rpc.wire import check_items

ServicerContext = Any

ANY_KEY: Literal["any"] = "any"
SCOPES: dict[str, Scope | Literal["any"] | None] = {
    "DetectImage": "images",
    "DetectBatch": "images",
    "SubmitImage": "images",
    "SubmitVideo": "videos",
    "GetJob": "jobs",
    "ListJobs": "jobs",
    "ListWindows": "jobs",
    "CancelJob": "jobs",
    "DeleteJob": "jobs",
    "WatchJob": "jobs",
    "SendFeedback": ANY_KEY,
    "DetectStream": "stream",
    "ServerLive": None,
    "ServerReady": None,
    "ServerMetadata": "infer",
    "ModelReady": None,
    "ModelMetadata": "infer",
    "ModelInfer": "infer",
    "RepositoryIndex": "infer",
    "RepositoryModelLoad": "infer",
    "RepositoryModelUnload": "infer",
    "ModelConfig": "infer",
    "ModelStatistics": "infer",
}
"""The scope that a method needs; `ANY_KEY` needs a key of any scope, None needs no key."""

MAX_CALLS = 4096
"""Concurrent calls of all connections; RESOURCE_EXHAUSTED above. A key has a share of them."""
_MESSAGE_OVERHEAD = 64 * 1024
"""Bytes of a message besides its image."""
_BATCH = detector_pb2.DetectBatchRequest
_WITH_ID = ("DetectImage", "DetectBatch")
"""The methods whose messages have an id of the request; other ids are of jobs."""


def max_message_bytes(gateway: Gateway) -> int:
    """Returns the limit of one message."""
    return gateway.settings.max_image_bytes * 2 + _MESSAGE_OVERHEAD


class HandlerFactory:
    """Builds the handlers, which share the memory of messages."""

    def __init__(self, gateway: Gateway, keyless: MessageMemory) -> None:
        """
        Args:
            keyless: the memory of messages of calls that need no key.
        """
        settings = gateway.settings
        self._gateway, self._keyless = gateway, keyless
        self._calls = Shares(MAX_CALLS, "calls")
        self._memory = MessageMemory(
            settings.grpc_max_message_memory_bytes,
            max_message_bytes(gateway),
            settings.upload_stall_timeout_s,
            min_bytes_per_s=settings.upload_min_bytes_per_s,
        )

    def __call__(self, service: Any, method: MethodDescriptor) -> Any:
        """Returns the handler of a method of `service`."""
        memory = self._keyless if SCOPES[method.name] is None else self._memory
        handler = _Handler(self._gateway, memory, self._calls, service, method)
        serialize = GetMessageClass(method.output_type).SerializeToString
        if method.server_streaming:
            return grpc.stream_stream_rpc_method_handler(
                handler.stream, response_serializer=serialize
            )
        return grpc.stream_unary_rpc_method_handler(handler.unary, response_serializer=serialize)


class _Handler:
    """The handler of one method. It parses messages itself: gRPC would end a malformed one with
    UNKNOWN."""

    def __init__(
        self,
        gateway: Gateway,
        memory: MessageMemory,
        calls: Shares,
        service: Any,
        method: MethodDescriptor,
    ) -> None:
        self._gateway, self._memory, self._calls = gateway, memory, calls
        self._method = method
        self._operation = getattr(service, method.name)
        self._type: Any = GetMessageClass(method.input_type)
        self._scope = SCOPES[method.name]
        self._route = f"/{method.containing_service.full_name}/{method.name}"

    async def unary(self, _: object, context: ServicerContext) -> Any:
        """Returns the response of a method."""
        with self._gateway.in_flight.track():
            async with (scope := self._request_scope(context)):
                call = await self._authorized(scope, context)
                with self._calls.reserve(call.principal):
                    return await self._respond(context, scope, call)

    async def _respond(self, context: ServicerContext, scope: GrpcRequestScope, call: Call) -> Any:
        if self._method.client_streaming:
            return await self._operation(self._parse_all(context, call), call)
        async with self._memory.read(context.read, call.principal.id) as message:
            self._count_bytes(call, len(message[0]))
            return await self._operation(self._parse(message, scope), call)

    async def stream(self, _: object, context: ServicerContext) -> None:
        """Sends the responses of a method.

        One that stops with the gateway has not failed, and is counted as those of REST are. Its
        client gets a status nevertheless, which says that there is more.
        """
        stopped = False
        with self._gateway.in_flight.track():
            async with (scope := self._request_scope(context)):
                call = await self._authorized(scope, context)
                try:
                    with self._calls.reserve(call.principal):
                        request = await self._request(context, scope, call)
                        async with aclosing(self._operation(request, call)) as responses:
                            async for response in responses:
                                await self._send(context, response)
                except StreamStopped:
                    stopped = True
            if stopped:
                detail = "the gateway is stopping: call again, and another one continues"
                await abort(context, NotReady(detail, retry_after_s=1), scope.request_scope.id)

    async def _send(self, context: ServicerContext, response: Any) -> None:
        """
        Raises:
            SlowRequest: the client of live frames reads no response.
        """
        live = self._scope == "stream"
        timeout_s = self._gateway.settings.live_idle_timeout_s if live else None
        try:
            async with asyncio.timeout(timeout_s):
                await context.write(response)
        except TimeoutError:
            raise SlowRequest(f"the client has read no response for {timeout_s:g} s") from None
        except grpc.aio.BaseError:  # the client is gone
            raise asyncio.CancelledError from None

    async def _request(self, context: ServicerContext, scope: GrpcRequestScope, call: Call) -> Any:
        """Returns the messages of a client's stream, or the only message."""
        if self._method.client_streaming:
            return self._parse_all(context, call)
        async with self._memory.read(context.read, call.principal.id) as message:
            self._count_bytes(call, len(message[0]))
            return self._parse(message, scope)

    def _request_scope(self, context: ServicerContext) -> GrpcRequestScope:
        return GrpcRequestScope(self._route, context, self._gateway.metrics)

    async def _authorized(self, scope: GrpcRequestScope, context: ServicerContext) -> Call:
        principal = Principal(sees_all=False)
        if self._scope is not None:
            needed = None if self._scope == ANY_KEY else self._scope
            principal = await self._gateway.authenticator.authorize(scope.metadata, needed)
        return Call(scope.request_scope, scope.metadata, context.time_remaining(), principal)

    def _parse(self, message: Message, scope: GrpcRequestScope) -> Any:
        """Parses the message and drops its bytes."""
        data = message.pop()
        if self._type is _BATCH:
            max_items = self._gateway.settings.max_batch_items
            check_items(data, _BATCH.IMAGES_FIELD_NUMBER, max_items, "images")
        request = parse(self._type, data)
        if self._method.name in _WITH_ID:
            scope.use_message_id(request.id)
        return request

    def _count_bytes(self, call: Call, size: int) -> None:
        self._gateway.authenticator.usage.add(call.principal.id, "bytes", size)

    async def _parse_all(self, context: ServicerContext, call: Call) -> AsyncIterator[Any]:
        while (data := await context.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined]
            if self._scope != "stream":  # frames count when they are analysed
                self._count_bytes(call, len(data))
            request = parse(self._type, data)
            del data
            yield request
            del request
