"""The systems under test by name, started on loopback, and the endpoints of each."""

from __future__ import annotations

import asyncio
import os
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.request import urlopen

import aiohttp
import orjson
import psutil

from benchmarks.data.workloads import workloads
from benchmarks.load.requests import Target, connect
from benchmarks.systems.program import Program, free_ports
from deepfake_serving.model_server.models import Placement
from deepfake_serving.model_server.settings import Settings
from deepfake_serving.runtime.process.memory import WORKER_ENVIRONMENT

DIRECT_ONE = "direct, one thread"
DIRECT = "direct, as served"
TORCHSERVE = "TorchServe alone, REST"
TORCHSERVE_RPC = "TorchServe alone, gRPC"
TORCHSERVE_SOCKET = "TorchServe behind the server"
"""The model server's TorchServe, called on its Unix socket: the difference is our server's cost."""
SERVER = "model server, REST"
SERVER_RPC = "model server, gRPC"
BASELINE_FASTAPI = "FastAPI baseline"
LITSERVE, BENTOML, RAY = "LitServe", "BentoML", "Ray Serve"
RIVALS = (LITSERVE, BENTOML, RAY)
"""Our pipeline behind other model servers. They are measured if `make rivals` installed them."""
_PROTOCOLS: dict[str, Literal["rest", "form", "base64"]] = {
    LITSERVE: "base64",
    BENTOML: "form",
    RAY: "rest",
}
ALL = (
    DIRECT_ONE,
    DIRECT,
    TORCHSERVE,
    TORCHSERVE_RPC,
    TORCHSERVE_SOCKET,
    SERVER,
    SERVER_RPC,
    BASELINE_FASTAPI,
)

HOST = "127.0.0.1"
_ROOT = Path(__file__).resolve().parents[2]
_RIVALS = _ROOT / ".venv-rivals" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class System:
    """A started program. Call `targets` after `ready` has returned True."""

    program: Program
    ready: Callable[[], bool]
    targets: Callable[[], dict[str, Target]]


def start_server(folder: Path, settings: Settings) -> System:
    """Starts the model server on free ports: REST, gRPC, and its TorchServe's socket."""
    ports = {f"DEEPFAKE_MODEL_SERVER_{kind}_PORT": "0" for kind in ("HTTP", "GRPC", "METRICS")}
    environment = {
        "DEEPFAKE_MODEL_SERVER_ARCHIVES": str(settings.archives),
        "DEEPFAKE_MODEL_SERVER_DEVICE": "cpu",
        **ports,
    }
    program = Program([sys.executable, "-m", "deepfake_serving.model_server"], folder, environment)

    def ready() -> bool:
        ports = listening(program)
        return bool(ports and get(f"http://{HOST}:{ports['http']}/readyz"))

    def targets() -> dict[str, Target]:
        ports = listening(program)
        path = "/predictions/detector"
        return {
            SERVER: Target("rest", f"http://{HOST}:{ports['http']}{path}"),
            SERVER_RPC: Target("rpc", f"{HOST}:{ports['grpc']}"),
            TORCHSERVE_SOCKET: Target(
                "rest", f"http://torchserve{path}", unix=_inference_socket(program)
            ),
        }

    return System(program, ready, targets)


def start_baseline_fastapi(folder: Path) -> System:
    """Starts FastAPI and uvicorn around facenet-pytorch and timm."""
    (port,) = free_ports(1)
    program = Program(
        [sys.executable, "-m", "benchmarks.systems.baseline_fastapi", str(port)], folder, {}
    )
    return System(
        program,
        lambda: bool(get(f"http://{HOST}:{port}/ready")),
        lambda: {BASELINE_FASTAPI: Target("form", f"http://{HOST}:{port}/predict")},
    )


def rivals_installed() -> bool:
    """Returns whether the environment of the rivals exists."""
    return _RIVALS.exists()


def start_rival(name: str, archive: Path, folder: Path) -> System:
    """Starts one of `RIVALS` in its own environment, on the unpacked archive."""
    (port,) = free_ports(1)
    unpacked = folder.with_suffix(".archive")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(unpacked)
    environment = WORKER_ENVIRONMENT | {
        "PYTHONPATH": str(_ROOT),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "BENCH_FOLDER": str(unpacked),
        "PATH": f"{_RIVALS.parent}{os.pathsep}{os.environ['PATH']}",
    }
    module = f"benchmarks.rivals.serve_{name.split()[0].lower()}"
    command = [str(_RIVALS), "-m", module, str(unpacked), str(port)]
    if name == BENTOML:
        service = f"{module}:Detector"
        options = ["--host", HOST, "--port", str(port), "--working-dir", str(_ROOT)]
        command = [str(_RIVALS), "-m", "bentoml", "serve", service, *options]
    target = Target(_PROTOCOLS[name], f"http://{HOST}:{port}/predict")

    def ready() -> bool:
        return asyncio.run(_is_ready(target))

    return System(Program(command, folder, environment), ready, lambda: {name: target})


async def _is_ready(target: Target) -> bool:
    async with connect(target) as count_faces:
        try:
            return await count_faces(workloads()["portrait"].jpeg) == 1
        except (ValueError, aiohttp.ClientError):
            return False


def direct_targets(archive: Path, placement: Placement) -> dict[str, Target]:
    """Returns targets that run the pipeline in child processes of the load generator."""
    return {
        DIRECT_ONE: Target("direct", str(archive)),
        DIRECT: Target(
            "direct", str(archive), processes=placement.workers, threads=placement.threads
        ),
    }


def get(url: str) -> bytes:
    """Returns the body of a response with status 200.

    Raises:
        OSError: any other status, or no response.
    """
    with urlopen(url, timeout=5) as response:
        body: bytes = response.read()
        return body


def listening(program: Program) -> dict[str, int]:
    """Returns the ports from the server's log; empty before it listens."""
    for line in program.log.read_bytes().splitlines():
        if b'"listening"' in line:
            event: dict[str, int] = orjson.loads(line)
            return event
    return {}


def _inference_socket(program: Program) -> str:
    """Returns the socket's path, beside the configuration file on Java's command line."""
    for child in psutil.Process(program.pid).children():
        command = child.cmdline()
        if "org.pytorch.serve.ModelServer" in command:
            return str(Path(command[command.index("-f") + 1]).with_name("inference.sock"))
    raise RuntimeError("the model server has no TorchServe")
