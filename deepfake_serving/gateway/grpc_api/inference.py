"""`inference.GRPCInferenceService` of the Open Inference Protocol, proxied to a model server.

https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc
import grpc.aio
from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

from deepfake_serving.contracts.inference import images_of
from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    MessageTooLarge,
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
from deepfake_serving.gateway.grpc_api.call import Call
from deepfake_serving.gateway.grpc_api.ensembles import call_ensemble
from deepfake_serving.gateway.upstream.channels import Channels
from deepfake_serving.gateway.upstream.replicas import Replica
from deepfake_serving.gateway.upstream.statistics import (
    model_statistics,
    repository_index,
    statistics_path,
)
from deepfake_serving.runtime.model_repository import refuse_loading

_MESSAGE_OVERHEAD = 64 * 1024
"""Bytes of a message besides its tensors, as the model server permits them."""


class InferenceService:
    """Forwards each call to a replica that serves the model."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._channels = Channels(gateway.upstream.pools.certificates)

    async def ServerLive(self, request: pb.ServerLiveRequest, call: Call) -> Any:  # noqa: N802
        """The gateway's own: it does not depend on a model server."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, call: Call) -> Any:  # noqa: N802
        return await self._forward("ServerReady", request, None, call)

    async def ServerMetadata(  # noqa: N802
        self, request: pb.ServerMetadataRequest, call: Call
    ) -> Any:
        return await self._forward("ServerMetadata", request, None, call)

    async def ModelReady(self, request: pb.ModelReadyRequest, call: Call) -> Any:  # noqa: N802
        return await self._forward("ModelReady", request, request.name, call)

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, call: Call) -> Any:  # noqa: N802
        return await self._forward("ModelMetadata", request, request.name, call)

    async def ModelInfer(self, request: pb.ModelInferRequest, call: Call) -> Any:  # noqa: N802
        limit = self.gateway.settings.max_image_bytes + _MESSAGE_OVERHEAD
        if (size := request.ByteSize()) > limit:
            raise MessageTooLarge(f"the message has {size} bytes; the limit is {limit}")
        call.count_images(self.gateway, 1)
        return await self._forward("ModelInfer", request, request.model_name, call)

    async def ModelConfig(self, request: pb.ModelConfigRequest, call: Call) -> Any:  # noqa: N802
        return await self._forward("ModelConfig", request, request.name, call)

    async def RepositoryIndex(  # noqa: N802
        self, request: pb.RepositoryIndexRequest, call: Call
    ) -> Any:
        index = repository_index(self.gateway.upstream, request.ready)
        return ParseDict({"models": index}, pb.RepositoryIndexResponse())

    async def RepositoryModelLoad(  # noqa: N802
        self, request: pb.RepositoryModelLoadRequest, call: Call
    ) -> Any:
        raise refuse_loading()

    async def RepositoryModelUnload(  # noqa: N802
        self, request: pb.RepositoryModelUnloadRequest, call: Call
    ) -> Any:
        raise refuse_loading()

    async def ModelStatistics(  # noqa: N802
        self, request: pb.ModelStatisticsRequest, call: Call
    ) -> Any:
        model, upstream = request.name or None, self.gateway.upstream
        path = statistics_path(request.name, request.version)
        summed = await model_statistics(upstream, path, model, call.context(self.gateway))
        return ParseDict(summed, pb.ModelStatisticsResponse())

    async def close(self) -> None:
        """Closes the channels to the replicas."""
        await self._channels.close()

    async def _forward(
        self,
        method: str,
        request: Any,
        model: str | None,
        call: Call,
    ) -> Any:
        call.scope.note(model=model)
        context = call.context(self.gateway)
        if model is not None and self.gateway.upstream.is_ensemble(model):
            response = await call_ensemble(self.gateway.upstream, method, request, model, context)
            if method == "ModelInfer":
                self._count_others(response.outputs[0].shape[0], call)
            return response

        async def send(replica: Replica) -> tuple[Any, int]:
            stub = GRPCInferenceServiceStub(self._channels.to(replica))
            left = context.deadline - asyncio.get_running_loop().time()
            metadata = {"x-request-id": context.id}
            if context.traceparent:
                metadata["traceparent"] = context.traceparent
            sent = getattr(stub, method)(request, timeout=left, metadata=tuple(metadata.items()))
            try:
                return await sent, images_of(await sent.trailing_metadata())
            except grpc.aio.AioRpcError as error:
                raise _as_problem(error) from error

        response, images = await self.gateway.upstream.retry(model, context.id, send)
        self._count_others(images, call)
        return response

    def _count_others(self, images: int, call: Call) -> None:
        """Counts the images of a tensor but the first, which every request to infer counts as."""
        call.count_images(self.gateway, images - 1)


def _as_problem(error: grpc.aio.AioRpcError) -> Problem:
    """Returns the problem in the status details, which the model server wrote, if there is one."""
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key == "grpc-status-details-bin":
            with contextlib.suppress(DecodeError, IndexError):
                detail = detector_pb2.Problem()
                Status.FromString(value).details[0].Unpack(detail)
                wait_s = detail.retry_after_s if detail.HasField("retry_after_s") else None
                document = {"type": detail.type, "detail": detail.detail, "retry_after_s": wait_s}
                return from_dict(document)
    if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:  # gRPC's own, of a message's size
        return MessageTooLarge(f"the message is too large for the model server: {error.details()}")
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded("no response within the deadline")
    return UpstreamUnavailable(f"a model server was lost: {error.code().name}", retry_after_s=5)
