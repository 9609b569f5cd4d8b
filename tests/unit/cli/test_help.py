"""First steps on the command line: the version, ports and settings, a server that is not there."""

from __future__ import annotations

import re
import socket

import pytest
from typer.testing import CliRunner

from deepfake_serving.cli import app as cli
from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.settings import Settings as GatewaySettings
from deepfake_serving.model_server.settings import Settings as ModelServerSettings
from deepfake_serving.runtime.settings import ServerSettings
from deepfake_serving.runtime.version import VERSION


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
