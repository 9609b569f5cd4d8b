"""The Open Inference Protocol over gRPC, proxied to scripted model servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest

from deepfake_serving.contracts.problems import DeadlineExceeded, UpstreamUnavailable
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as pb
from deepfake_serving.gateway.auth.authenticator import Authenticator, Principal
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.grpc_api.call import Call
from deepfake_serving.gateway.grpc_api.inference import InferenceService
from deepfake_serving.gateway.settings import load_settings
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.gateway.upstream.config import PoolSpec, Routing
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.gateway.upstream.replicas import Replica
from deepfake_serving.runtime.request_scope import RequestScope

Respond = Callable[[Any, Any], Awaitable[pb.ServerReadyResponse]]


@asynccontextmanager
async def proxy_to(
    *handlers: Respond,
) -> AsyncIterator[tuple[InferenceService, list[str]]]:
    """Starts a service with one model server per handler; also yields the pools of retries."""
    retried: list[str] = []
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        specs = []
        for n, handler in enumerate(handlers):
            port = await _start(handler, stack)
            url = "http://127.0.0.1:1"
            specs.append(PoolSpec(name=f"p{n}", url=url, grpc_port=port, priority=n))
        pools = Pools(Routing(pools=tuple(specs)), session)
        for spec in specs:
            pools.replicas[spec.name] = [Replica(spec, "127.0.0.1", healthy=True)]
        unused: Any = None
        settings = load_settings(request_timeout_s=60.0)
        gateway = Gateway(
            settings=settings,
            metrics=unused,
            authenticator=Authenticator(None, None, None),
            upstream=Upstream(pools, retried.append),
            submission=unused,
            uploads=unused,
            jobs=unused,
            feedback=unused,
            store_health=unused,
            fetcher=None,
        )
        service = InferenceService(gateway)
        stack.push_async_callback(service.close)
        yield service, retried


async def _start(handler: Respond, stack: AsyncExitStack) -> int:
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(
        handler, pb.ServerReadyRequest.FromString, pb.ServerReadyResponse.SerializeToString
    )
    name = "inference.GRPCInferenceService"
    generic = grpc.method_handlers_generic_handler(name, {"ServerReady": method})
    server.add_generic_rpc_handlers((generic,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    stack.push_async_callback(server.stop, None)
    return port


def call(seconds: float) -> Call:
    return Call(RequestScope("/", "id", None), {}, seconds, Principal())


async def ready(_: Any, __: Any) -> pb.ServerReadyResponse:
    return pb.ServerReadyResponse(ready=True)


async def silent(_: Any, __: Any) -> pb.ServerReadyResponse:
    await asyncio.sleep(30)
    raise AssertionError


async def lost(_: Any, context: Any) -> pb.ServerReadyResponse:
    await context.abort(grpc.StatusCode.CANCELLED, "")
    raise AssertionError


async def test_a_forwarded_call_keeps_its_id_and_its_trace() -> None:
    received: dict[str, Any] = {}

    async def note(_: Any, context: Any) -> pb.ServerReadyResponse:
        received.update(context.invocation_metadata())
        return pb.ServerReadyResponse(ready=True)

    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with proxy_to(note) as (service, _):
        traced = Call(RequestScope("/", "id", trace), {}, 10, Principal())
        await service.ServerReady(pb.ServerReadyRequest(), traced)
    assert (received["x-request-id"], received["traceparent"]) == ("id", trace)


async def test_the_deadline_covers_all_attempts() -> None:
    async with proxy_to(silent, silent, silent) as (service, retried):
        begun = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineExceeded):
            await service.ServerReady(pb.ServerReadyRequest(), call(0.5))
        assert asyncio.get_running_loop().time() - begun < 20
        assert retried == []


async def test_a_lost_call_is_retried_on_another_replica() -> None:
    async with proxy_to(lost, ready) as (service, retried):
        response = await service.ServerReady(pb.ServerReadyRequest(), call(10))
        assert response.ready
        assert retried == ["p0"]


async def test_a_gateway_that_lost_its_model_server_is_live_but_not_ready() -> None:
    async with proxy_to(lost) as (service, _):
        assert (await service.ServerLive(pb.ServerLiveRequest(), call(1))).live
        with pytest.raises(UpstreamUnavailable):
            await service.ServerReady(pb.ServerReadyRequest(), call(1))
