"""Limits of calls that need no key and have handlers of a library: health and reflection."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from deepfake_serving.contracts.problems import Overloaded, Problem
from deepfake_serving.contracts.tracebacks import forget_traceback
from deepfake_serving.gateway.grpc_api.message_memory import MessageMemory, NoMessage
from deepfake_serving.runtime.rpc.errors import abort

KEYLESS_BYTES = 64 * 1024
"""Limit of a message: names of services, models and symbols."""
_MAX_CALLS = 64
"""Concurrent calls, such as health's Watch."""
_STREAM_IDLE_S = 10.0
"""A stream of requests, which only reflection has, ends after this long without a message."""

ServicerContext = Any


class KeylessLimits(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in its stubs only
    """Replaces a library's handlers by ones that reserve memory before they read a message."""

    def __init__(self, prefixes: tuple[str, ...], memory: MessageMemory) -> None:
        """
        Args:
            prefixes: the methods that are left alone, because their handlers have such limits.
        """
        self._prefixes, self._memory, self._calls = prefixes, memory, 0
        self._streams = MessageMemory(memory.longest, memory.longest, _STREAM_IDLE_S, KEYLESS_BYTES)

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Returns the handler of a method, with the limits."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(self._prefixes):
            return handler
        if handler.request_streaming:
            return self._of_stream(handler)
        return self._of_message(handler)

    @asynccontextmanager
    async def _limited(self, context: ServicerContext) -> AsyncIterator[None]:
        """Counts a call; a problem ends it with its status."""
        self._calls += 1
        try:
            if self._calls > _MAX_CALLS:
                raise Overloaded(f"{_MAX_CALLS} calls without a key are open", retry_after_s=1)
            yield
        except Problem as problem:
            forget_traceback(problem)
            await abort(context, problem, uuid.uuid4().hex)
        finally:
            self._calls -= 1

    def _of_message(self, handler: Any) -> Any:
        operation = handler.unary_stream or handler.unary_unary

        async def call(_: object, context: ServicerContext) -> Any:
            async with self._limited(context):
                async with self._memory.read(context.read) as message:
                    request = handler.request_deserializer(message.pop())
                return await operation(request, context)

        build: Any = grpc.stream_unary_rpc_method_handler
        if handler.response_streaming:
            build = grpc.stream_stream_rpc_method_handler
        return build(call, response_serializer=handler.response_serializer)

    def _of_stream(self, handler: Any) -> Any:
        async def requests(context: ServicerContext) -> AsyncIterator[Any]:
            with contextlib.suppress(NoMessage):
                while True:
                    async with self._streams.read(context.read) as message:
                        request = handler.request_deserializer(message.pop())
                    yield request

        async def call(_: object, context: ServicerContext) -> AsyncIterator[Any]:
            async with self._limited(context):
                async for response in handler.stream_stream(requests(context), context):
                    yield response

        return grpc.stream_stream_rpc_method_handler(
            call, response_serializer=handler.response_serializer
        )
