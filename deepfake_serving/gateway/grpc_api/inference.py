"""`inference.GRPCInferenceService`, passed through to a model server that serves the model."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    NotReady,
    Overloaded,
    Problem,
    UpstreamUnavailable,
    from_dict,
)
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as pb
from deepfake_serving.contracts.protos.inference.open_inference_pb2_grpc import (
    GRPCInferenceServiceStub,
)
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.grpc_api.detector import Call
from deepfake_serving.gateway.upstream.replicas import Replica

_ATTEMPTS = 3
_ELSEWHERE = (UpstreamUnavailable, NotReady, Overloaded)
_UNBOUNDED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class InferenceService:
    """Each method asks a replica, and another one where that is lost or full."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def ServerLive(self, request: pb.ServerLiveRequest, call: Call) -> Any:  # noqa: N802
        return await self._ask("ServerLive", request, None, call)

    async def ServerReady(self, request: pb.ServerReadyRequest, call: Call) -> Any:  # noqa: N802
        return await self._ask("ServerReady", request, None, call)

    async def ServerMetadata(  # noqa: N802
        self, request: pb.ServerMetadataRequest, call: Call
    ) -> Any:
        return await self._ask("ServerMetadata", request, None, call)

    async def ModelReady(self, request: pb.ModelReadyRequest, call: Call) -> Any:  # noqa: N802
        return await self._ask("ModelReady", request, request.name, call)

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, call: Call) -> Any:  # noqa: N802
        return await self._ask("ModelMetadata", request, request.name, call)

    async def ModelInfer(self, request: pb.ModelInferRequest, call: Call) -> Any:  # noqa: N802
        return await self._ask("ModelInfer", request, request.model_name, call)

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close(None)

    async def _ask(self, method: str, request: Any, model: str | None, call: Call) -> Any:
        await self.gateway.access.allow(call.metadata, "infer")
        call.exchange.note(model=model)
        longest = self.gateway.settings.request_timeout_s
        seconds = longest if call.remaining_s is None else min(longest, call.remaining_s)
        deadline = asyncio.get_running_loop().time() + seconds
        metadata = (("x-request-id", call.exchange.id),)
        tried: list[Replica] = []
        while True:
            replica = self.gateway.upstream.pools.choose(model, tried)
            tried.append(replica)
            try:
                with replica.request():
                    stub: Any = GRPCInferenceServiceStub(self._channel(replica))
                    left = deadline - asyncio.get_running_loop().time()
                    return await getattr(stub, method)(request, timeout=left, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                problem = _problem(error)
            if not isinstance(problem, _ELSEWHERE) or len(tried) >= _ATTEMPTS:
                raise problem
            self.gateway.upstream.retried(replica.pool.name)

    def _channel(self, replica: Replica) -> grpc.aio.Channel:
        host = f"[{replica.address}]" if ":" in replica.address else replica.address
        target = f"{host}:{replica.pool.grpc_port}"
        if target not in self._channels:
            self._channels[target] = grpc.aio.insecure_channel(target, options=_UNBOUNDED)
        return self._channels[target]


def _problem(error: grpc.aio.AioRpcError) -> Problem:
    """The problem in the status's details, which is the model server's own; else it was lost."""
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key == "grpc-status-details-bin":
            with contextlib.suppress(DecodeError, IndexError):
                told = detector_pb2.Problem()
                Status.FromString(value).details[0].Unpack(told)
                wait = told.retry_after_s if told.HasField("retry_after_s") else None
                return from_dict({"type": told.type, "detail": told.detail, "retry_after_s": wait})
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded("no answer within the deadline")
    return UpstreamUnavailable(f"a model server was lost: {error.code().name}", retry_after_s=5)
