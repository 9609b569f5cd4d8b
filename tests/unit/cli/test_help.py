"""First steps on the command line: the version, ports and settings, a server that is not there."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deepfake_serving.cli import app as cli
from deepfake_serving.cli.gateway_client import GatewayClient
from deepfake_serving.contracts.problems import InvalidRequest, UpstreamUnavailable
from deepfake_serving.gateway.settings import Settings as GatewaySettings
from deepfake_serving.model_server.settings import Settings as ModelServerSettings
from deepfake_serving.runtime.settings import ServerSettings
from deepfake_serving.runtime.version import VERSION
from tests.support.paths import ROOT

INTERRUPTED = """
import os, signal, sys
from deepfake_serving.__main__ import main

class Interrupt:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupt())
main()
"""
"""Ctrl-C while the command line is imported."""


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(cli.app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"deepfake-serving {VERSION}\n")


@pytest.mark.parametrize("settings", [GatewaySettings, ModelServerSettings])
@pytest.mark.parametrize("name", ["http_port", "grpc_port", "metrics_port"])
def test_the_help_of_up_names_ports_and_their_variables(
    settings: type[ServerSettings], name: str
) -> None:
    text = " ".join(CliRunner().invoke(cli.app, ["up", "--help"]).stdout.split())
    port = settings.model_fields[name].default
    variable = f"{settings.model_config['env_prefix']}{name}".upper()
    assert re.search(rf"- {port}: [^-]*{variable}\b", text)


def test_a_server_that_is_not_there_is_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{free.getsockname()[1]}"
        result = CliRunner().invoke(cli.app, ["submit", "http://x/a.mp4", "--server", server])
    assert isinstance(result.exception, UpstreamUnavailable)
    assert str(result.exception) == f"{server} does not respond: Connection refused"


def test_a_server_without_a_scheme_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"http:// or https://: '127\.0\.0\.1:8000'"):
        GatewayClient("127.0.0.1:8000")


def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deepfake_serving", *map(str, arguments)]
    environment = os.environ | variables
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_a_file_that_is_missing_is_named_without_an_error_number(tmp_path: Path) -> None:
    missing = tmp_path / "film.mp4"
    ended = run("submit", missing)
    reason = f"deepfake-serving: {missing}: No such file or directory\n"
    assert (ended.returncode, ended.stderr) == (2, reason)


def test_an_error_is_one_line_whatever_its_text(tmp_path: Path) -> None:
    manifest = tmp_path / "a\x1b[2J\n.yaml"
    manifest.write_text("a: [")
    ended = run("package", manifest)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert "\x1b" not in ended.stderr


def test_a_folder_that_cannot_be_written_names_the_variable_of_another(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = run("detect", "a.jpg", DEEPFAKE_HOME=str(tmp_path / "file"))
    assert ended.returncode == 2
    last = ended.stderr.splitlines()[-1]
    assert last.endswith("file/archives: Not a directory; DEEPFAKE_HOME names another folder")


def test_an_unknown_model_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    ended = run("detect", "a.jpg", "--model", "detecter", DEEPFAKE_HOME=str(tmp_path))
    assert ended.returncode == 2
    known = "deepfake-serving: there is no model 'detecter' here; there are: classifier, detector,"
    assert ended.stderr.startswith(known)


@pytest.mark.parametrize(
    ("module", "code"), [("deepfake_serving.cli.app", -2), ("typer.rich_utils", 130)]
)
def test_ctrl_c_before_a_command_begins_prints_no_traceback(module: str, code: int) -> None:
    command = [sys.executable, "-c", INTERRUPTED, module]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.strip()) == (code, "")
