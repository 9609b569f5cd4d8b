"""Asks a running gateway about a real photograph, by REST and, where told, by gRPC.

`python -m scripts.smoke URL [--grpc HOST:PORT] [--key KEY]`. Exit codes: 0 for a verdict that makes
sense, 1 for anything else, with the reason on stderr. `DFK_SERVER`, `DFK_GRPC` and `DFK_KEY` stand
in for what is not given.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import grpc
from pydantic import TypeAdapter, ValidationError

from deepfake_serving.cli.remote import Remote
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.model_server.torchserve.warmup import PHOTOGRAPH

_TIMEOUT_S = 60
_VERDICT = TypeAdapter(ImageVerdict)


class WrongAnswer(Exception):
    """An answer came, but none that a working detector gives about the photograph."""


class _Pictures(Remote):
    def judge(self, picture: bytes) -> Any:
        headers = {"Content-Type": "application/octet-stream"}
        return self._answer("POST", "/v1/images", data=picture, headers=headers).json()


def by_rest(server: str, key: str | None) -> ImageVerdict:
    """The verdict on the photograph.

    Raises:
        Problem: the gateway refused or can't be reached.
        WrongAnswer
    """
    document = _Pictures(server, key).judge(PHOTOGRAPH)
    try:
        verdict = _VERDICT.validate_python(document)
    except ValidationError as error:
        raise WrongAnswer(f"REST: not a verdict: {error}") from error
    probabilities = [face.fake_probability for face in verdict.faces]
    _check("REST", verdict.fake_probability, probabilities, verdict.width, verdict.height)
    return verdict


def by_grpc(target: str, key: str | None) -> pb.ImageVerdict:
    """The same by gRPC. `target` is `host:port` without TLS, `grpcs://host:port` with it.

    Raises:
        grpc.RpcError, WrongAnswer
    """
    with _channel(target) as channel:
        verdict = DetectorStub(channel).DetectImage(
            pb.DetectImageRequest(image=PHOTOGRAPH),
            timeout=_TIMEOUT_S,
            metadata=(("x-api-key", key),) if key else (),
        )
    highest = verdict.fake_probability if verdict.HasField("fake_probability") else None
    probabilities = [face.fake_probability for face in verdict.faces]
    _check("gRPC", highest, probabilities, verdict.width, verdict.height)
    return verdict


def _channel(target: str) -> grpc.Channel:
    address = target.removeprefix("grpcs://")
    if address == target:
        return grpc.insecure_channel(address)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials())


def _check(door: str, highest: float | None, faces: list[float], width: int, height: int) -> None:
    """The photograph is 256 by 256 pixels and shows a face."""
    if (width, height) != (256, 256):
        raise WrongAnswer(f"{door}: a picture of {width}x{height} was judged, not of 256x256")
    if not faces:
        raise WrongAnswer(f"{door}: no face was found")
    if highest != max(faces) or not all(0 <= each <= 1 for each in faces):
        raise WrongAnswer(f"{door}: probabilities {faces} give {highest}")


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", nargs="?", default=os.environ.get("DFK_SERVER"))
    parser.add_argument("--grpc", default=os.environ.get("DFK_GRPC"))
    parser.add_argument("--key", default=os.environ.get("DFK_KEY"))
    given = parser.parse_args(arguments)
    if not given.server:
        parser.error("the gateway's URL is needed")
    try:
        rest = by_rest(given.server, given.key or None)
        print(f"REST: {rest.verdict}, {rest.fake_probability:.3f}, by {rest.model.digest}")
        if given.grpc:
            answer = by_grpc(given.grpc, given.key or None)
            print(f"gRPC: {answer.fake_probability:.3f}, by {answer.model.digest}")
    except (Problem, WrongAnswer) as error:
        print(f"smoke: {error}", file=sys.stderr)
        return 1
    except grpc.RpcError as error:
        print(f"smoke: gRPC: {error.code().name}: {error.details()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
