"""What is compared: the systems by name, started on loopback, and how each is reached."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import orjson
import psutil

from model_server.models import Placement
from model_server.settings import Settings
from tests.bench.asks import Target
from tests.bench.process import Program, free_ports

DIRECT_ONE = "direct, one thread"
DIRECT = "direct, as served"
TORCHSERVE = "TorchServe alone, REST"
TORCHSERVE_RPC = "TorchServe alone, gRPC"
PAST = "TorchServe past the server"
"""The one that the model server keeps, on its Unix socket: what the server adds is the rest."""
SERVER = "model server, REST"
SERVER_RPC = "model server, gRPC"
USUAL_WAY = "the usual way"
ALL = (
    DIRECT_ONE,
    DIRECT,
    TORCHSERVE,
    TORCHSERVE_RPC,
    PAST,
    SERVER,
    SERVER_RPC,
    USUAL_WAY,
)

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class System:
    """A program that was started; `targets` may be called once `ready` was True."""

    program: Program
    ready: Callable[[], bool]
    targets: Callable[[], dict[str, Target]]


def start_server(folder: Path, settings: Settings) -> System:
    """The model server as it comes, on free ports: REST, gRPC, and past both."""
    ports = {f"DEEPFAKE_{kind}_PORT": "0" for kind in ("HTTP", "GRPC", "METRICS")}
    environment = {"DEEPFAKE_ARCHIVES": str(settings.archives), "DEEPFAKE_DEVICE": "cpu", **ports}
    program = Program([sys.executable, "-m", "model_server"], folder, environment)

    def ready() -> bool:
        ports = _listening(program)
        return bool(ports and get(f"http://{HOST}:{ports['http']}/readyz"))

    def targets() -> dict[str, Target]:
        ports = _listening(program)
        path = "/predictions/detector"
        return {
            SERVER: Target("rest", f"http://{HOST}:{ports['http']}{path}"),
            SERVER_RPC: Target("rpc", f"{HOST}:{ports['grpc']}"),
            PAST: Target("rest", f"http://torchserve{path}", unix=_inference_socket(program)),
        }

    return System(program, ready, targets)


def start_usual_way(folder: Path) -> System:
    """FastAPI and uvicorn around facenet-pytorch and timm."""
    (port,) = free_ports(1)
    program = Program([sys.executable, "-m", "tests.bench.usual_way", str(port)], folder, {})
    return System(
        program,
        lambda: bool(get(f"http://{HOST}:{port}/ready")),
        lambda: {USUAL_WAY: Target("form", f"http://{HOST}:{port}/predict")},
    )


def direct_targets(archive: Path, placement: Placement) -> dict[str, Target]:
    """The pipeline in processes of the load generator's own; nothing is started before."""
    return {
        DIRECT_ONE: Target("direct", str(archive)),
        DIRECT: Target(
            "direct", str(archive), processes=placement.workers, threads=placement.threads
        ),
    }


def get(url: str) -> bytes:
    """The body of an answer with status 200; anything else is an OSError."""
    with urlopen(url, timeout=5) as response:
        body: bytes = response.read()
        return body


def _listening(program: Program) -> dict[str, int]:
    """The ports that the server's log tells; none yet: empty."""
    for line in program.log.read_bytes().splitlines():
        if b'"listening"' in line:
            told: dict[str, int] = orjson.loads(line)
            return told
    return {}


def _inference_socket(program: Program) -> str:
    """Beside the configuration that the server starts its Java with."""
    for child in psutil.Process(program.pid).children():
        command = child.cmdline()
        if "org.pytorch.serve.ModelServer" in command:
            return str(Path(command[command.index("-f") + 1]).with_name("inference.sock"))
    raise RuntimeError("the model server has no TorchServe")
