"""The Open Inference Protocol by gRPC, passed on to scripted model servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest

from deepfake_serving.contracts.problems import DeadlineExceeded
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as pb
from deepfake_serving.gateway.auth.authenticator import Authenticator
from deepfake_serving.gateway.grpc_api.detector import Call
from deepfake_serving.gateway.grpc_api.inference import InferenceService
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.gateway.upstream.config import PoolSpec, Routing
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.gateway.upstream.replicas import Replica
from deepfake_serving.runtime.request_scope import RequestScope

UpstreamResponse = Callable[[Any, Any], Awaitable[pb.ServerLiveResponse]]


@asynccontextmanager
async def passing_on(
    *answers: UpstreamResponse,
) -> AsyncIterator[tuple[InferenceService, list[str]]]:
    """A service with one model server for each way to answer; and the pools of retries."""
    retried: list[str] = []
    servers = []
    async with aiohttp.ClientSession() as session:
        specs = []
        for n, answer in enumerate(answers):
            server = grpc.aio.server()
            handler = grpc.unary_unary_rpc_method_handler(
                answer,
                pb.ServerLiveRequest.FromString,
                pb.ServerLiveResponse.SerializeToString,
            )
            name = "inference.GRPCInferenceService"
            handlers = grpc.method_handlers_generic_handler(name, {"ServerLive": handler})
            server.add_generic_rpc_handlers((handlers,))
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            servers.append(server)
            specs.append(
                PoolSpec(name=f"p{n}", url="http://127.0.0.1:1", grpc_port=port, priority=n)
            )
        pools = Pools(Routing(pools=tuple(specs)), session)
        for spec in specs:
            pools.replicas[spec.name] = [Replica(spec, "127.0.0.1", healthy=True)]
        gateway: Any = SimpleNamespace(
            access=Authenticator(None, None, None),
            settings=SimpleNamespace(request_timeout_s=60.0),
            upstream=Upstream(pools, retried.append),
        )
        service = InferenceService(gateway)
        yield service, retried
        await service.close()
        for server in servers:
            await server.stop(None)


def call(seconds: float) -> Call:
    return Call(RequestScope("/", "id", None), {}, seconds)


async def live(_: Any, __: Any) -> pb.ServerLiveResponse:
    return pb.ServerLiveResponse(live=True)


async def silent(_: Any, __: Any) -> pb.ServerLiveResponse:
    await asyncio.sleep(30)
    raise AssertionError


async def lost(_: Any, context: Any) -> pb.ServerLiveResponse:
    await context.abort(grpc.StatusCode.CANCELLED, "")
    raise AssertionError


async def test_a_deadline_is_the_caller_s_and_not_one_for_each_attempt() -> None:
    async with passing_on(silent, silent, silent) as (service, retried):
        begun = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineExceeded):
            await service.ServerLive(pb.ServerLiveRequest(), call(0.5))
        assert asyncio.get_running_loop().time() - begun < 5
        assert retried == []


async def test_what_is_lost_is_asked_elsewhere() -> None:
    async with passing_on(lost, live) as (service, retried):
        answer = await service.ServerLive(pb.ServerLiveRequest(), call(10))
        assert answer.live
        assert retried == ["p0"]
