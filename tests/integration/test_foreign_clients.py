"""Unmodified third-party clients get the same responses by the Open Inference Protocol as by REST.

They run in a separate virtual environment, because their protobuf modules collide with ours.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.paths import ROOT
from tests.support.requests import BAD_IMAGES, same
from tests.support.running import RunningServer

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("unhurt")]

PYTHON = ROOT / ".venv-clients" / "bin" / "python"
CLIENTS = ("triton", "kserve")


@pytest.fixture(scope="module")
def responses(
    server: RunningServer, tmp_path_factory: pytest.TempPathFactory, astronaut_jpeg: bytes
) -> dict[str, dict[str, Any]]:
    """Returns the responses of each client, by protocol."""
    if not PYTHON.exists():
        pytest.fail("there is no .venv-clients; run `make clients`")
    image = tmp_path_factory.mktemp("clients") / "astronaut.jpg"
    image.write_bytes(astronaut_jpeg)
    return {client: _run(client, server, image) for client in CLIENTS}


def _run(client: str, server: RunningServer, image: Path) -> dict[str, Any]:
    script = Path(__file__).parent / "clients" / f"{client}_client.py"
    ports = [str(server.ports[name]) for name in ("http", "grpc")]
    completed = subprocess.run(
        [PYTHON, script, *ports, image], capture_output=True, text=True, timeout=600, check=False
    )
    assert completed.returncode == 0, completed.stderr
    reported = json.loads(completed.stdout)
    assert isinstance(reported, dict)
    return reported


@pytest.fixture(scope="module")
def plain(http: httpx.Client, astronaut_jpeg: bytes) -> dict[str, Any]:
    """Returns the result of the image over REST."""
    response = same(http.post("/predictions/detector", content=astronaut_jpeg).json())
    assert len(response["faces"]) == 1
    return response


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_reads_the_readiness_of_the_server(
    responses: dict[str, dict[str, Any]], client: str, protocol: str
) -> None:
    reported = responses[client][protocol]
    assert reported["live"] is reported["ready"] is reported["model_ready"] is True


FORMS = [
    *(
        (client, protocol, kind)
        for client in CLIENTS
        for protocol in ("http", "grpc")
        for kind in ("encoded", "pixels", "two")
    ),
    ("kserve", "http", "base64"),
    ("kserve", "http", "binary"),
    ("kserve", "grpc", "binary"),
]


@pytest.mark.parametrize(("client", "protocol", "kind"), FORMS)
def test_a_client_gets_the_same_response_as_rest(
    responses: dict[str, dict[str, Any]],
    plain: dict[str, Any],
    client: str,
    protocol: str,
    kind: str,
) -> None:
    reported, count = responses[client][protocol][kind], 2 if kind == "two" else 1
    assert reported["verdict"] == [plain["verdict"]] * count
    assert reported["fake_probability"] == pytest.approx(
        [plain["fake_probability"]] * count, abs=1e-3
    )
    for result in map(json.loads, reported["result"]):
        assert result["verdict"] == plain["verdict"]
        np.testing.assert_allclose(result["faces"][0]["box"], plain["faces"][0]["box"], atol=0.5)
        assert result["model"] == plain["model"]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_triton_reads_the_metadata_and_chooses_outputs(
    responses: dict[str, dict[str, Any]], plain: dict[str, Any], protocol: str
) -> None:
    reported = responses["triton"][protocol]
    assert reported["server"]["name"] == "deepfake-serving"
    assert reported["model"]["name"] == "detector"
    names = [output["name"] for output in reported["model"]["outputs"]]
    assert names == ["fake_probability", "verdict", "result"]
    assert reported["chosen"] == {"verdict": [plain["verdict"]]}


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_raises_the_problem(
    responses: dict[str, dict[str, Any]], http: httpx.Client, client: str, protocol: str
) -> None:
    content, status, _ = BAD_IMAGES["text"]
    detail = http.post("/predictions/detector", content=content).json()["detail"]
    refused = responses[client][protocol]["refused"]
    if (client, protocol) == ("kserve", "http"):
        assert str(status) in refused  # it reads only details of type application/json
    else:
        assert detail in refused
