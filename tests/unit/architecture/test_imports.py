"""What importing costs: the server must start in no time and callers need not install everything.

Each import happens in a fresh interpreter, which then says what has come with it.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

HEAVY = {"torch", "torchvision", "timm", "cv2", "PIL", "facenet_pytorch", "safetensors", "skimage"}
TORCH = {"torch", "torchvision", "timm", "facenet_pytorch", "safetensors"}
TRAINING = {"training", "sklearn", "scipy", "av", "matplotlib", "art", "mlflow", "onnx"}
NETWORK = {"grpc", "google", "aiohttp", "httpx", "uvloop"}


def imported_with(*modules: str) -> set[str]:
    """The top-level packages that are there after importing `modules`."""
    code = f"import sys, json, {', '.join(modules)}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        (["deepfake_serving.model_server.server", "deepfake_serving.model_server.__main__"], HEAVY),
        (
            [
                "deepfake_serving.contracts",
                "deepfake_serving.contracts.problems",
                "deepfake_serving.contracts.verdict",
            ],
            HEAVY | NETWORK | {"numpy"},
        ),
        (["model_handlers", "model_handlers.wire", "model_handlers.manifest"], HEAVY | NETWORK),
        (["deepfake_serving.cli.app"], HEAVY | NETWORK),
        (["deepfake_serving.packaging.archive"], HEAVY | NETWORK),
        (
            [
                "model_handlers.handler",
                "deepfake_serving.packaging.archive",
                "deepfake_serving.cli.detector",
            ],
            TRAINING,
        ),
        (["model_handlers.handler", "model_handlers.backends.openvino"], TORCH),
        (["model_handlers.handler", "model_handlers.backends.pytorch"], {"openvino"}),
        (
            ["deepfake_serving.gateway.__main__", "deepfake_serving.gateway.worker"],
            TORCH | {"openvino", "model_server", "timm"},
        ),
        (
            ["deepfake_serving.runtime.settings", "deepfake_serving.runtime.request_scope"],
            HEAVY | {"gateway", "model_server"},
        ),
        (
            ["deepfake_serving.cli.up", "deepfake_serving.cli.gateway_client"],
            HEAVY | {"gateway", "model_server"},
        ),
        (["deepfake_serving.training.cli"], HEAVY | NETWORK | TRAINING - {"training"}),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) else "",
)
def test_what_an_import_does_not_bring(modules: list[str], unwanted: set[str]) -> None:
    assert imported_with(*modules) & unwanted == set()


def test_what_an_import_brings_is_seen_at_all() -> None:
    assert {"numpy", "model_handlers"} <= imported_with("model_handlers.wire")
