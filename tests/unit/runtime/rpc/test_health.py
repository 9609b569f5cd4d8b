"""Streams of health and reflection, which clients keep open while they are connected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from deepfake_serving.runtime.rpc.health import Health
from tests.support.running import GUARD_S


@pytest.fixture
def closing() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
async def channel(closing: asyncio.Event) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    await Health(server, (), closing).set(True)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


async def test_watching_health_ends_when_the_server_closes(
    channel: grpc.aio.Channel, closing: asyncio.Event
) -> None:
    request = health_pb2.HealthCheckRequest()
    states = []
    async with asyncio.timeout(GUARD_S):
        async for state in health_pb2_grpc.HealthStub(channel).Watch(request):
            states.append(state.status)
            closing.set()
    assert states == [health_pb2.HealthCheckResponse.SERVING]


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_ends_when_the_server_closes(
    channel: grpc.aio.Channel, closing: asyncio.Event, version: str
) -> None:
    reflect = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    call = reflect()
    async with asyncio.timeout(GUARD_S):
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        services = (await call.read()).list_services_response.service
        closing.set()
        assert await call.read() is grpc.aio.EOF
    assert {s.name for s in services} >= {f"grpc.reflection.{version}.ServerReflection"}
