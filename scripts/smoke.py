"""Sends a test image to a running gateway, by REST and optionally by gRPC.

`python -m scripts.smoke URL [--grpc HOST:PORT] [--key KEY]`. Exit codes: 0 for a plausible
verdict, 1 for anything else, with the reason on stderr. `DFK_SERVER`, `DFK_GRPC` and `DFK_KEY` are
the defaults of the arguments.
"""

from __future__ import annotations

import argparse
import os
import ssl
import sys
from pathlib import Path

import grpc
from pydantic import TypeAdapter, ValidationError

from deepfake_serving.assets import WARMUP_IMAGE
from deepfake_serving.cli.gateway_client import GatewayClient
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub
from deepfake_serving.contracts.verdict import ImageVerdict

_TIMEOUT_S = 60
_IMAGE = WARMUP_IMAGE.read_bytes()
_VERDICT = TypeAdapter(ImageVerdict)


class ImplausibleVerdict(Exception):
    """A verdict on the test image that a working detector would not give."""


def by_rest(server: str, key: str | None) -> ImageVerdict:
    """Returns the verdict on the test image.

    Raises:
        Problem: the gateway refused or can't be reached.
        ImplausibleVerdict
    """
    client, headers = GatewayClient(server, key), {"Content-Type": "application/octet-stream"}
    response = client.request("POST", "/v1/images", data=_IMAGE, headers=headers)
    try:
        verdict = _VERDICT.validate_python(response.json())
    except ValidationError as error:
        raise ImplausibleVerdict(f"REST: not a verdict: {error}") from error
    probabilities = [face.fake_probability for face in verdict.faces]
    _check("REST", verdict.fake_probability, probabilities, verdict.width, verdict.height)
    return verdict


def by_grpc(target: str, key: str | None) -> pb.ImageVerdict:
    """Returns the same by gRPC. `target` is `host:port` without TLS, `grpcs://host:port` with it.

    Raises:
        grpc.RpcError, ImplausibleVerdict
    """
    with _channel(target) as channel:
        verdict = DetectorStub(channel).DetectImage(
            pb.DetectImageRequest(image=_IMAGE),
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
    authorities = ssl.get_default_verify_paths().cafile  # SSL_CERT_FILE, else the system's
    roots = Path(authorities).read_bytes() if authorities else None
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(roots))


def _check(api: str, highest: float | None, faces: list[float], width: int, height: int) -> None:
    """Raises unless the verdict is that of a face in an image of 256 by 256 pixels."""
    if (width, height) != (256, 256):
        raise ImplausibleVerdict(f"{api}: the image has {width}x{height} pixels, not 256x256")
    if not faces:
        raise ImplausibleVerdict(f"{api}: no face was found")
    if highest != max(faces) or not all(0 <= each <= 1 for each in faces):
        raise ImplausibleVerdict(f"{api}: probabilities {faces} give {highest}")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", nargs="?", default=os.environ.get("DFK_SERVER"))
    parser.add_argument("--grpc", default=os.environ.get("DFK_GRPC"))
    parser.add_argument("--key", default=os.environ.get("DFK_KEY"))
    given = parser.parse_args(arguments)
    if not given.server:
        parser.error("the gateway's URL is required")
    try:
        rest = by_rest(given.server, given.key or None)
        print(f"REST: {rest.verdict}, {rest.fake_probability:.3f}, by {rest.model.digest}")
        if given.grpc:
            verdict = by_grpc(given.grpc, given.key or None)
            print(f"gRPC: {verdict.fake_probability:.3f}, by {verdict.model.digest}")
    except (Problem, ImplausibleVerdict) as error:
        print(f"smoke: {error}", file=sys.stderr)
        return 1
    except grpc.RpcError as error:
        print(f"smoke: gRPC: {error.code().name}: {error.details()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
