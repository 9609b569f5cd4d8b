"""`up`: processes that end together, however they end, and the ports between them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from deepfake_serving.cli.up_ports import choose_ports
from deepfake_serving.gateway.settings import load_settings as load_gateway
from deepfake_serving.model_server.settings import load_settings as load_model_server
from deepfake_serving.runtime.settings import SettingsError
from tests.support.paths import ROOT
from tests.support.ports import free_port

_RUN = """
import asyncio, sys
from deepfake_serving.cli.up import run_all
child = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
if len(sys.argv) > 2:
    child = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {child}"
commands = {name: (sys.executable, "-c", child, f"{sys.argv[1]}/{name}") for name in ("a", "b")}
sys.exit(asyncio.run(run_all(commands)))
"""


@contextmanager
def running(
    folder: Path, *ignore: str
) -> Iterator[tuple[subprocess.Popen[bytes], list[psutil.Process]]]:
    """`run_all` with two children, in a process of its own; they may `ignore` SIGTERM."""
    command = [sys.executable, "-c", _RUN, str(folder), *ignore]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        try:
            children: list[psutil.Process] = []
            while len(children) < 2 or not all((folder / name).exists() for name in "ab"):
                assert process.poll() is None
                children = psutil.Process(process.pid).children()
                psutil.wait_procs(children, 0.05)
            yield process, children
        finally:
            process.kill()


@pytest.fixture
def _default_signals() -> Iterator[None]:
    """Signals as in a terminal: nohup and shells' background jobs ignore some of them."""
    previous = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT)}
    for number in previous:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_default_signals")
@pytest.mark.parametrize(
    ("number", "code"), [("SIGTERM", 0), ("SIGINT", 0), ("SIGHUP", 0), ("SIGKILL", -9)]
)
def test_the_processes_end_with_their_parent(tmp_path: Path, number: str, code: int) -> None:
    with running(tmp_path) as (process, children):
        process.send_signal(signal.Signals[number])
        assert process.wait(300) == code
        _, alive = psutil.wait_procs(children, 300)
        assert alive == []


@pytest.mark.usefixtures("_default_signals")
def test_a_second_signal_ends_processes_that_take_long(tmp_path: Path) -> None:
    with running(tmp_path, "ignore") as (process, children):
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert b"Ctrl-C again" in process.stderr.readline()
        assert psutil.wait_procs(children, 0.5)[0] == []
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 0
        assert psutil.wait_procs(children, 300)[1] == []


def test_a_closed_terminal_does_not_end_processes_started_by_nohup(tmp_path: Path) -> None:
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with running(tmp_path) as (process, children):
            process.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            process.terminate()
            assert process.wait(300) == 0
            assert psutil.wait_procs(children, 300)[1] == []
    finally:
        signal.signal(signal.SIGHUP, previous)


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """All ports free ones, unless a test sets them."""
    for name in list(os.environ):
        if name.startswith("DEEPFAKE_"):
            monkeypatch.delenv(name)
    for name in ("MODEL_SERVER_HTTP", "MODEL_SERVER_GRPC", "MODEL_SERVER_METRICS"):
        monkeypatch.setenv(f"DEEPFAKE_{name}_PORT", "0")
    for name in ("HTTP", "GRPC", "METRICS", "WORKER_METRICS"):
        monkeypatch.setenv(f"DEEPFAKE_GATEWAY_{name}_PORT", "0")
    return monkeypatch


@pytest.mark.parametrize(
    ("host", "reached"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]")]
)
def test_routing_follows_the_ports_of_the_model_server(
    variables: pytest.MonkeyPatch, host: str, reached: str
) -> None:
    http, grpc = free_port(), free_port()
    variables.setenv("DEEPFAKE_MODEL_SERVER_HOST", host)
    variables.setenv("DEEPFAKE_MODEL_SERVER_HTTP_PORT", str(http))
    variables.setenv("DEEPFAKE_MODEL_SERVER_GRPC_PORT", str(grpc))
    chosen = choose_ports(load_model_server(), load_gateway())
    assert list(chosen) == ["DEEPFAKE_GATEWAY_ROUTING"]
    (pool,) = json.loads(chosen["DEEPFAKE_GATEWAY_ROUTING"])["pools"]
    assert pool == {"name": "default", "url": f"http://{reached}:{http}", "grpc_port": grpc}
    for name, value in chosen.items():
        variables.setenv(name, value)
    assert load_gateway().routing.pools[0].port == http


def test_a_free_port_is_passed_to_the_gateway(variables: pytest.MonkeyPatch) -> None:
    chosen = choose_ports(load_model_server(), load_gateway())
    port = chosen["DEEPFAKE_MODEL_SERVER_HTTP_PORT"]
    assert int(port) > 0
    assert f":{port}" in chosen["DEEPFAKE_GATEWAY_ROUTING"]


def test_an_explicit_routing_is_kept(variables: pytest.MonkeyPatch) -> None:
    routing = json.dumps({"pools": [{"name": "far", "url": "http://far.example"}]})
    variables.setenv("DEEPFAKE_GATEWAY_ROUTING", routing)
    assert "DEEPFAKE_GATEWAY_ROUTING" not in choose_ports(load_model_server(), load_gateway())


@pytest.mark.parametrize(
    "variable",
    [
        "DEEPFAKE_MODEL_SERVER_HTTP_PORT",
        "DEEPFAKE_MODEL_SERVER_GRPC_PORT",
        "DEEPFAKE_MODEL_SERVER_METRICS_PORT",
        "DEEPFAKE_GATEWAY_HTTP_PORT",
        "DEEPFAKE_GATEWAY_GRPC_PORT",
        "DEEPFAKE_GATEWAY_METRICS_PORT",
        "DEEPFAKE_GATEWAY_WORKER_METRICS_PORT",
    ],
)
def test_a_port_in_use_names_the_variable_to_set(
    variables: pytest.MonkeyPatch, variable: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        variables.setenv(variable, str(listener.getsockname()[1]))
        with pytest.raises(SettingsError, match=f"in use. Set {variable} to another port"):
            choose_ports(load_model_server(), load_gateway())


def test_the_port_of_a_worker_that_is_not_started_may_be_in_use(
    variables: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        variables.setenv("DEEPFAKE_GATEWAY_WORKER_METRICS_PORT", str(port))
        variables.setenv("DEEPFAKE_GATEWAY_EMBEDDED_WORKER", "false")
        assert choose_ports(load_model_server(), load_gateway())


def test_the_exit_code_is_that_of_the_first_process_to_end() -> None:
    from deepfake_serving.cli.up import run_all

    commands = {
        "one": (sys.executable, "-c", "import time; time.sleep(600)"),
        "two": (sys.executable, "-c", "raise SystemExit(3)"),
    }
    assert asyncio.run(run_all(commands)) == 3
