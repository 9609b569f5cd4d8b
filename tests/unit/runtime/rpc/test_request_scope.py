"""The scope of a gRPC call, in a real server."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import grpc
import grpc.aio
import pytest

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.runtime.metrics import ServerMetrics
from deepfake_serving.runtime.rpc.request_scope import GrpcRequestScope


class Body:
    """An object that a call holds."""


async def test_what_a_refused_call_held_is_freed_without_the_garbage_collector() -> None:
    held: list[weakref.ref[Body]] = []
    metrics = ServerMetrics()

    async def operate() -> None:
        body = Body()
        held.append(weakref.ref(body))

        async def refuse() -> None:
            raise InvalidRequest(f"no {type(body).__name__}")

        await refuse()

    async def call(_: bytes, context: Any) -> bytes:
        async with GrpcRequestScope("/a.B/C", context, metrics):
            await operate()
        return b""

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(call)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a.B", {"C": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    gc.disable()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary("/a.B/C")(b"")
        await server.stop(None)
        await asyncio.sleep(0)
        assert [each() for each in held] == [None]
    finally:
        gc.enable()
