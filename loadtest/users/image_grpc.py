"""Images by gRPC."""

from __future__ import annotations

import functools
from typing import Any
from urllib.parse import urlsplit

import grpc
import grpc.experimental.gevent
from google.rpc.status_pb2 import Status
from locust import task

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from loadtest import checks
from loadtest.responses import Document, InvalidResponse, Refused, problem
from loadtest.users import tls
from loadtest.users.base import GatewayUser

_PORT = 8001
_OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
"""Without it, channels to one address share a connection."""


class ImageGrpc(GatewayUser):
    """`deepfake.v1.Detector/DetectImage`, on its own keep-alive connection."""

    measure = ("gRPC", "DetectImage")

    def on_start(self) -> None:
        _init_gevent()
        self._channel = _channel(self.server, self.options.grpc)
        self._stub = DetectorStub(self._channel)

    def on_stop(self) -> None:
        self._channel.close()

    @task
    def detect(self) -> None:
        image = next(self.images)
        request = pb.DetectImageRequest(image=image.unique_bytes())
        with self.timed(*self.measure):
            try:
                verdict = self._stub.DetectImage(
                    request,
                    timeout=self.options.timeout,
                    metadata=tuple(self.authorization().items()),
                )
            except grpc.RpcError as error:
                raise error_from_status(error) from error
            checks.image_verdict(document(verdict), image)


def document(verdict: pb.ImageVerdict) -> Document:
    """Converts the checked fields of the message to their JSON form."""
    known = verdict.HasField("fake_probability")
    return {
        "verdict": _label(verdict.verdict),
        "fake_probability": verdict.fake_probability if known else None,
        "faces": [
            {
                "verdict": _label(face.verdict),
                "fake_probability": face.fake_probability,
                "box": (face.box.x1, face.box.y1, face.box.x2, face.box.y2),
            }
            for face in verdict.faces
        ],
        "width": verdict.width,
        "height": verdict.height,
    }


def error_from_status(status: Any) -> Refused | InvalidResponse:
    """Converts a gRPC status: the problem in its details, or its code without one."""
    for key, value in status.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            detail_problem = pb.Problem()
            if any(detail.Unpack(detail_problem) for detail in Status.FromString(value).details):
                return problem({"title": detail_problem.title, "status": detail_problem.status})
    return InvalidResponse(f"{status.code().name}")


def _label(verdict: pb.Verdict.ValueType) -> str:
    return pb.Verdict.Name(verdict).removeprefix("VERDICT_").lower()


def _channel(url: str, address: str | None) -> grpc.Channel:
    """Connects to `address` or the default port of the URL's host, with TLS for https."""
    parts = urlsplit(url)
    target = address or f"{parts.hostname}:{_PORT}"
    if parts.scheme == "https":
        return grpc.secure_channel(target, tls.credentials(), _OWN_CONNECTION)
    return grpc.insecure_channel(target, _OWN_CONNECTION)


@functools.cache
def _init_gevent() -> None:
    """Initializes gRPC for gevent, once, before the first channel: a call would block all users."""
    grpc.experimental.gevent.init_gevent()
