"""Triton's extensions by its own client, and KServe's V1 protocol, at both servers."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.paths import ROOT
from tests.support.requests import BAD_IMAGES, problem_of, same
from tests.support.running import GUARD_S, RunningGateway, RunningProcess, RunningServer
from tests.support.versions import VERSIONS

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("unhurt")]

PYTHON = ROOT / ".venv-clients" / "bin" / "python"
SCRIPT = Path(__file__).parent / "clients" / "triton_extensions.py"
INTEGER = VERSIONS["detector"].partition(".")[0]
PROTOCOLS = ("http", "grpc")


@pytest.fixture(scope="module")
def front(
    server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    pool = {"name": "pool-0", "url": server.url, "grpc_port": server.ports["grpc"]}
    routing = json.dumps({"pools": [pool]})
    with RunningGateway.start(tmp_path_factory.mktemp("front"), routing=routing) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=["server", "front"])
def served(request: pytest.FixtureRequest) -> RunningProcess:
    """The model server, and a gateway in front of it."""
    process: RunningProcess = request.getfixturevalue(request.param)
    return process


@pytest.fixture(scope="module")
def responses(
    served: RunningProcess, tmp_path_factory: pytest.TempPathFactory, astronaut_jpeg: bytes
) -> dict[str, Any]:
    if not PYTHON.exists():
        pytest.fail("there is no .venv-clients; run `make clients`")
    image = tmp_path_factory.mktemp("clients") / "astronaut.jpg"
    image.write_bytes(astronaut_jpeg)
    ports = [str(served.ports[name]) for name in PROTOCOLS]
    completed = subprocess.run(
        [PYTHON, SCRIPT, *ports, image], capture_output=True, text=True, timeout=600, check=False
    )
    assert completed.returncode == 0, completed.stderr
    reported: dict[str, Any] = json.loads(completed.stdout)
    return reported


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_index_and_integer_versions(responses: dict[str, Any], protocol: str) -> None:
    reported = responses[protocol]
    (entry,) = (model for model in reported["index"] if model["name"] == "detector")
    assert (entry["version"], entry["state"]) == (INTEGER, "READY")
    assert reported["ready"] is True
    assert reported["verdict"] == "real"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_configuration(responses: dict[str, Any], protocol: str) -> None:
    config = responses[protocol]["config"]
    assert config["name"] == "detector"
    assert config["input"][0]["data_type"] == "TYPE_STRING"
    assert [output["name"] for output in config["output"]] == [
        "fake_probability",
        "verdict",
        "result",
    ]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_statistics_count_the_inference(responses: dict[str, Any], protocol: str) -> None:
    (model,) = responses[protocol]["statistics"]["model_stats"]
    assert (model["name"], model["version"]) == ("detector", INTEGER)
    assert int(model["inference_count"]) >= 1
    assert int(model["inference_stats"]["success"]["ns"]) > 0
    assert len(model["batch_stats"]) >= 1
    every = responses[protocol]["all_statistics"]["model_stats"]
    assert "detector" in [model["name"] for model in every]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_loading_and_unloading_are_refused(responses: dict[str, Any], protocol: str) -> None:
    for refusal in responses[protocol]["refused"]:
        assert refusal.startswith("403" if protocol == "http" else "StatusCode.PERMISSION_DENIED")
        assert "settings choose what is served" in refusal


def test_v1_predictions_are_verdicts(served: RunningProcess, astronaut_jpeg: bytes) -> None:
    image = {"image": {"b64": base64.b64encode(astronaut_jpeg).decode()}}
    text = {"image": {"b64": base64.b64encode(BAD_IMAGES["text"][0]).decode()}}
    path = "/v1/models/detector:predict"
    with httpx.Client(base_url=served.url, timeout=GUARD_S) as client:
        alone = client.post("/v2/models/detector/infer", json=_infer(image)).json()
        response = client.post(path, json={"instances": [image, text]})
        assert response.status_code == 200
        verdict, problem = response.json()["predictions"]
        assert same(verdict) == same(json.loads(alone["outputs"][-1]["data"][0]))
        assert problem["status"] == BAD_IMAGES["text"][1]
        refused = client.post(path, json={"instances": [text]})
        assert refused.status_code == BAD_IMAGES["text"][1]
        assert refused.json()["error"] == refused.json()["detail"]
        assert client.post(path, json={"instances": []}).status_code == 400
        unknown = client.post("/v1/models/nobody:predict", json={"instances": [image]})
        assert unknown.status_code == 404


def _infer(instance: dict[str, Any]) -> dict[str, Any]:
    data = [instance["image"]["b64"]]
    return {"inputs": [{"name": "images", "datatype": "BYTES", "shape": [1], "data": data}]}


def test_names_of_models(served: RunningProcess) -> None:
    with httpx.Client(base_url=served.url, timeout=GUARD_S) as client:
        assert "detector" in client.get("/v2/models").json()["models"]
        bad = client.post("/v2/repository/index", content=b'{"ready": 1}')
        problem_of(bad, 400, "invalid-request")
