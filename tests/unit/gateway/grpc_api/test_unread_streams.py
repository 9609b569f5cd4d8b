"""Clients of gRPC streams that read no response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from deepfake_serving.gateway.http.openapi.examples import IMAGE
from deepfake_serving.runtime.tasks import cancel
from tests.support.listening_gateway import listening_gateway
from tests.support.running import GUARD_S

_ROUTING = '{"pools": [{"name": "a", "url": "http://127.0.0.1:1", "models": ["detector"]}]}'
VERDICT = orjson.dumps(IMAGE | {"warnings": ["x" * 500_000]})
"""More than gRPC sends to a client that does not read."""


async def test_the_call_of_a_client_that_reads_no_verdict_ends(tmp_path: Path) -> None:
    async with listening_gateway(tmp_path, routing=_ROUTING, live_idle_timeout_s=1) as (
        gateway,
        ports,
    ):

        async def detect_image(*_: Any, **__: Any) -> bytes:
            return VERDICT

        gateway.upstream.detect_image = detect_image  # type: ignore[method-assign]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel:
            call = DetectorStub(channel).DetectStream()

            async def send() -> None:
                while True:
                    await call.write(pb.StreamFrame(image=b"x", model="detector"))
                    await asyncio.sleep(0.01)

            sending = asyncio.create_task(send())
            async with asyncio.timeout(GUARD_S):
                while not gateway.in_flight.count:
                    await asyncio.sleep(0.01)
                while gateway.in_flight.count:
                    await asyncio.sleep(0.01)
            await cancel([sending])
            with pytest.raises(grpc.RpcError) as caught:
                await asyncio.wait_for(_read_all(call), GUARD_S)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "read no response" in str(caught.value.details())


async def _read_all(call: AsyncIterable[object]) -> None:
    async for _ in call:
        pass
