"""TorchServe's gRPC management API, which any process of the machine can reach."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
import psutil
import pytest

from deepfake_serving.model_server.torchserve.tokens import read_tokens
from tests.support.running import GUARD_S, RunningServer

pytestmark = pytest.mark.integration

_API = "/org.pytorch.serve.grpc.management.ManagementAPIsService/"
_MODEL_NAME, _URL = 5, 9
"""Fields of RegisterModelRequest in TorchServe's management.proto."""
_UNREGISTERED_NAME = 1
"""Field of UnregisterModelRequest."""


def field(number: int, text: str) -> bytes:
    """A field of a protobuf message: its key, its length and its bytes."""
    return bytes([number << 3 | 2, len(text)]) + text.encode()


def folder_of(server: RunningServer) -> Path:
    """The working directory of TorchServe."""
    return Path(psutil.Process(server.java()).cwd())


def call(server: RunningServer, method: str, request: bytes, token: str | None = None) -> bytes:
    """Calls the management API.

    Raises:
        grpc.RpcError
    """
    properties = (folder_of(server) / "config.properties").read_text()
    port = re.search(r"^grpc_management_port=(\d+)$", properties, re.M)
    assert port is not None
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(f"127.0.0.1:{port[1]}") as channel:
        response = channel.unary_unary(_API + method)(request, metadata=metadata, timeout=GUARD_S)
    assert isinstance(response, bytes)
    return response


@pytest.mark.parametrize("token", [None, "guessed"])
def test_no_model_is_unregistered_without_the_token(
    server: RunningServer, token: str | None
) -> None:
    with pytest.raises(grpc.RpcError, match="PERMISSION_DENIED"):
        call(server, "UnregisterModel", field(_UNREGISTERED_NAME, "detector"), token)
    assert server.readyz().status_code == 200


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_no_archive_is_loaded_from_a_url(
    server: RunningServer, archive_folder: Path, tmp_path: Path, scheme: str
) -> None:
    """It would run its code as the user of the model server."""
    archive = tmp_path / "other.mar"
    archive.write_bytes((archive_folder / "detector.mar").read_bytes())
    url = archive.as_uri() if scheme == "file" else "http://127.0.0.1:9/other.mar"
    request = field(_MODEL_NAME, "other") + field(_URL, url)
    tokens = read_tokens(folder_of(server))
    assert tokens is not None
    with pytest.raises(grpc.RpcError, match="does not match any allowed URL"):
        call(server, "RegisterModel", request, tokens.management)
