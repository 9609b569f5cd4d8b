"""TorchServe's gRPC management API, which any process of the machine can call."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
import psutil
import pytest

from tests.support.running import GUARD_S, RunningServer

pytestmark = pytest.mark.integration

_REGISTER = "/org.pytorch.serve.grpc.management.ManagementAPIsService/RegisterModel"
_MODEL_NAME, _URL = 5, 9
"""Fields of RegisterModelRequest in TorchServe's management.proto."""


def field(number: int, text: str) -> bytes:
    """A field of a protobuf message: its key, its length and its bytes."""
    return bytes([number << 3 | 2, len(text)]) + text.encode()


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_no_archive_is_loaded_from_a_url(
    server: RunningServer, archive_folder: Path, tmp_path: Path, scheme: str
) -> None:
    """It would run its code as the user of the model server."""
    command = " ".join(psutil.Process(server.java()).cmdline())
    found = re.search(r"\S+config\.properties", command)
    assert found is not None, command
    port = re.search(r"^grpc_management_port=(\d+)$", Path(found[0]).read_text(), re.M)
    assert port is not None

    archive = tmp_path / "other.mar"
    archive.write_bytes((archive_folder / "detector.mar").read_bytes())
    url = archive.as_uri() if scheme == "file" else "http://127.0.0.1:9/other.mar"
    request = field(_MODEL_NAME, "other") + field(_URL, url)
    with (
        grpc.insecure_channel(f"127.0.0.1:{port[1]}") as channel,
        pytest.raises(grpc.RpcError, match="does not match any allowed URL"),
    ):
        channel.unary_unary(_REGISTER)(request, timeout=GUARD_S)
