"""`deepfake-serving plan`, also with the times that a gateway has measured."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deepfake_serving.cli.app import app

PLAN = ("plan", "--rate", "50", "--p95", "0.3")


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*PLAN, *arguments])
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture
def gateway() -> Iterator[str]:
    cost = {"device": "cpu", "workers": 2, "memory_bytes": 1, "image_ms": 100.0}
    models = [{"name": "detector", "cost": cost}, {"name": "faces", "cost": None}]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"models": models}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_plan_is_a_table_with_its_price() -> None:
    printed = run("--price", "0.5")
    assert "requests per replica" in printed
    assert "price per hour" in printed


def test_a_profile_is_run_with_autoscaling(tmp_path: Path) -> None:
    profile = tmp_path / "day.csv"
    profile.write_text("seconds,rate\n0,5\n200,50\n400,50\n")
    document = json.loads(run("--profile", str(profile), "--json"))
    assert document["replicas"] >= 2
    scaled = document["autoscaling"]
    assert scaled["min_replicas"] == 1 < scaled["max_replicas"] <= document["replicas"]
    assert 0 < scaled["replica_hours"] <= document["replicas"] * 400 / 3600


def test_service_times_come_from_a_gateway(gateway: str) -> None:
    replica = json.loads(run("--server", gateway, "--json"))["replica"]
    assert (replica["service_s"], replica["workers"]) == (0.1, 2)
    run("--server", gateway, "--model", "faces", code=1)


def test_what_can_not_be_kept_is_an_error(tmp_path: Path) -> None:
    assert run("--service-ms", "400", code=2) == ""
    (tmp_path / "empty.csv").write_text("")
    run("--profile", str(tmp_path / "empty.csv"), code=2)


@pytest.mark.parametrize("number", ["nan", "inf", "1e12"])
@pytest.mark.parametrize("option", ["--rate", "--p95", "--service-ms", "--variation", "--price"])
def test_numbers_that_cannot_be_simulated_are_refused(option: str, number: str) -> None:
    if number != "1e12" or option == "--rate":
        run(option, number, code=2)
