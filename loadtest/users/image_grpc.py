"""Pictures by gRPC."""

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
from loadtest.responses import Document, Refused, Wrong, problem
from loadtest.users import tls
from loadtest.users.base import Caller

_PORT = 8001
_OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
"""Channels to one address share a connection otherwise."""


class ImageGrpc(Caller):
    """`deepfake.v1.Detector/DetectImage`, on a connection of its own that is kept."""

    measure = ("gRPC", "DetectImage")

    def on_start(self) -> None:
        _with_gevent()
        self._channel = _channel(self.server, self.options.grpc)
        self._stub = DetectorStub(self._channel)

    def on_stop(self) -> None:
        self._channel.close()

    @task
    def judge(self) -> None:
        picture = next(self.pictures)
        request = pb.DetectImageRequest(image=picture.anew())
        with self.measured(*self.measure):
            try:
                verdict = self._stub.DetectImage(
                    request,
                    timeout=self.options.timeout,
                    metadata=tuple(self.authorization().items()),
                )
            except grpc.RpcError as error:
                raise trouble(error) from error
            checks.image(document(verdict), picture)


def document(verdict: pb.ImageVerdict) -> Document:
    """What is checked of the message, as in JSON."""
    known = verdict.HasField("fake_probability")
    return {
        "verdict": _word(verdict.verdict),
        "fake_probability": verdict.fake_probability if known else None,
        "faces": [
            {
                "verdict": _word(face.verdict),
                "fake_probability": face.fake_probability,
                "box": (face.box.x1, face.box.y1, face.box.x2, face.box.y2),
            }
            for face in verdict.faces
        ],
        "width": verdict.width,
        "height": verdict.height,
    }


def trouble(error: Any) -> Refused | Wrong:
    """The problem in a status' details, or its code where there is none."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            told = pb.Problem()
            if any(detail.Unpack(told) for detail in Status.FromString(value).details):
                return problem({"title": told.title, "status": told.status})
    return Wrong(f"{error.code().name}")


def _word(verdict: pb.Verdict.ValueType) -> str:
    return pb.Verdict.Name(verdict).removeprefix("VERDICT_").lower()


def _channel(url: str, address: str | None) -> grpc.Channel:
    """To `address`, or to the usual port of the URL's host; with TLS where the URL has it."""
    parts = urlsplit(url)
    target = address or f"{parts.hostname}:{_PORT}"
    if parts.scheme == "https":
        return grpc.secure_channel(target, tls.credentials(), _OWN_CONNECTION)
    return grpc.insecure_channel(target, _OWN_CONNECTION)


@functools.cache
def _with_gevent() -> None:
    """Before the first channel, and once: else a call blocks all users."""
    grpc.experimental.gevent.init_gevent()
