"""`serve`, `gateway`, `worker` and `up`: the servers."""

from __future__ import annotations

import os
import shlex
import sys
import webbrowser

import typer

from deepfake_serving.assets import WARMUP_IMAGE
from deepfake_serving.cli.extras import requires


@requires("model-server")
def serve() -> None:
    """Runs the model server. Settings: DEEPFAKE_MODEL_SERVER_* variables (docs/settings.md)."""
    from deepfake_serving.model_server.__main__ import main

    raise typer.Exit(main(on_ready=_print_model_server))


@requires("gateway")
def gateway() -> None:
    """Runs the gateway. Settings: DEEPFAKE_GATEWAY_* variables (docs/settings.md)."""
    from deepfake_serving.gateway.__main__ import main

    raise typer.Exit(main(on_ready=_print_gateway))


@requires("gateway")
def worker() -> None:
    """Runs a worker. Settings: DEEPFAKE_GATEWAY_* variables (docs/settings.md)."""
    from deepfake_serving.gateway.worker.__main__ import main

    raise typer.Exit(main())


@requires("all")
def up() -> None:
    """Runs everything on this machine: model server, gateway, worker and console.

    Ports, and the variables that change them:

    - 8000: console and REST, DEEPFAKE_GATEWAY_HTTP_PORT
    - 8001: gRPC, DEEPFAKE_GATEWAY_GRPC_PORT
    - 8002: metrics, DEEPFAKE_GATEWAY_METRICS_PORT
    - 8003: metrics of the worker, DEEPFAKE_GATEWAY_WORKER_METRICS_PORT
    - 8080: model server, DEEPFAKE_MODEL_SERVER_HTTP_PORT
    - 8081: its gRPC, DEEPFAKE_MODEL_SERVER_GRPC_PORT
    - 8082: its metrics, DEEPFAKE_MODEL_SERVER_METRICS_PORT

    DEEPFAKE_HOME is the folder for archives and state, DEEPFAKE_WEIGHTS the weights (default or
    permissive). docs/settings.md has all settings.
    """
    from deepfake_serving.cli.up import main

    raise typer.Exit(main())


def _print_model_server(ports: dict[str, int]) -> None:
    url = f"http://127.0.0.1:{ports['http']}/predictions/detector"
    command = shlex.join(["curl", "-sS", "--data-binary", f"@{_test_image()}", url])
    print(f"\nReady. Try:\n\n  {command}\n", flush=True)


def _print_gateway(ports: dict[str, int]) -> None:
    """Prints the console's address; on a terminal, also opens it in the browser."""
    from deepfake_serving.gateway.settings import load_settings

    url = f"http://127.0.0.1:{ports['http']}"
    command = shlex.join(["curl", "-sS", "-F", f"file=@{_test_image()}", f"{url}/v1/images"])
    hint, settings = "or try:", load_settings()
    if settings.keys_file is not None and settings.auth != "none":
        hint = "or try, with an API key in DFK_KEY:"
        command += ' -H "Authorization: Bearer $DFK_KEY"'
    print(f"\nReady: open {url} in a browser, {hint}\n\n  {command}\n", flush=True)
    if sys.stdout.isatty():
        webbrowser.open(url)


def _test_image() -> str:
    """Returns the path of the bundled test image, relative if that is shorter."""
    return min(os.path.relpath(WARMUP_IMAGE), str(WARMUP_IMAGE), key=len)
