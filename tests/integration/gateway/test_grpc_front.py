"""gRPC as clients speak it: keepalive pings, reflection, ids, messages of any size."""

from __future__ import annotations

import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from deepfake_serving.contracts.protos.inference import open_inference_pb2 as oip
from deepfake_serving.contracts.protos.inference.open_inference_pb2_grpc import (
    GRPCInferenceServiceStub,
)
from tests.integration.gateway.conftest import MAX_IMAGE
from tests.support.running import RunningGateway, RunningServer

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_defects")]

KEEPALIVE = [
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 60_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.enable_retries", 0),
]


@pytest.mark.slow
def test_pings_every_ten_seconds_are_allowed(
    gateway: RunningGateway, server: RunningServer
) -> None:
    """gRPC's default closes the connection after three of them ("too many pings")."""
    targets = (gateway.grpc_target, server.grpc_target)
    idle = [grpc.insecure_channel(target, KEEPALIVE) for target in targets]
    streaming = [grpc.insecure_channel(target, KEEPALIVE) for target in targets]
    states: list[grpc.ChannelConnectivity] = []
    for channel in idle:
        grpc.channel_ready_future(channel).result(60)
        channel.subscribe(states.append)
    streams = [
        health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        for channel in streaming
    ]
    assert [next(stream).status for stream in streams] == [1, 1]
    time.sleep(45)
    assert [stream.is_active() for stream in streams] == [True, True]
    assert set(states) == {grpc.ChannelConnectivity.READY}
    for stream in streams:
        stream.cancel()
    for channel in (*idle, *streaming):
        channel.close()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_and_describes_the_services(
    gateway: RunningGateway, server: RunningServer, version: str
) -> None:
    for target in (gateway.grpc_target, server.grpc_target):
        with grpc.insecure_channel(target) as channel:
            reflect = channel.stream_stream(
                f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                reflection_pb2.ServerReflectionRequest.SerializeToString,
                reflection_pb2.ServerReflectionResponse.FromString,
            )
            requests = [
                reflection_pb2.ServerReflectionRequest(list_services=""),
                reflection_pb2.ServerReflectionRequest(
                    file_containing_symbol="deepfake.v1.Detector"
                ),
            ]
            listed, described = reflect(iter(requests))
        names = {service.name for service in listed.list_services_response.service}
        assert {"deepfake.v1.Detector", f"grpc.reflection.{version}.ServerReflection"} <= names
        assert described.file_descriptor_response.file_descriptor_proto


def test_the_id_of_the_message_is_the_request_id(stub: DetectorStub, astronaut_jpeg: bytes) -> None:
    request = pb.DetectImageRequest(image=astronaut_jpeg, id="mine-1")
    verdict, call = stub.DetectImage.with_call(request)
    assert verdict.id == "mine-1"
    assert dict(call.trailing_metadata())["x-request-id"] == "mine-1"
    named = stub.DetectImage(request, metadata=(("x-request-id", "of-the-metadata"),))
    assert named.id == "of-the-metadata"
    batch = pb.DetectBatchRequest(images=[astronaut_jpeg], id="mine-2")
    assert stub.DetectBatch(batch).results[0].verdict.id == "mine-2.0"


@pytest.mark.parametrize("size", [MAX_IMAGE + 100_000, 2 * MAX_IMAGE - 1000, 3 * MAX_IMAGE])
def test_a_message_over_the_limit_is_resource_exhausted(gateway: RunningGateway, size: int) -> None:
    tensor = oip.ModelInferRequest.InferInputTensor(name="images", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(bytes(size))
    request = oip.ModelInferRequest(model_name="detector", inputs=[tensor])
    with (
        grpc.insecure_channel(gateway.grpc_target) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        GRPCInferenceServiceStub(channel).ModelInfer(request)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
