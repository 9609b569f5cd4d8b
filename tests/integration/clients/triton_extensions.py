"""NVIDIA's tritonclient with Triton's extensions of the protocol: prints the responses as JSON.

triton_extensions.py HTTP_PORT GRPC_PORT IMAGE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http


def main(http_port: str, grpc_port: str, image: str) -> None:
    http = tritonclient.http.InferenceServerClient(
        f"127.0.0.1:{http_port}", connection_timeout=300, network_timeout=300
    )
    grpc = tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{grpc_port}")
    responses = {
        "http": send_requests(tritonclient.http, http, Path(image)),
        "grpc": send_requests(tritonclient.grpc, grpc, Path(image), as_json=True),
    }
    http.close()
    grpc.close()
    print(json.dumps(responses))


def send_requests(library: ModuleType, client: Any, image: Path, **as_json: bool) -> dict[str, Any]:
    """Infers once by an integer version, then reads the index, configuration and statistics."""
    index = _models(client.get_model_repository_index(**as_json))
    (version,) = (model["version"] for model in index if model["name"] == "detector")
    data = np.array([image.read_bytes()], dtype=np.object_)
    tensor = library.InferInput("images", [1], "BYTES")
    tensor.set_data_from_numpy(data)
    verdict = client.infer("detector", [tensor], model_version=version).as_numpy("verdict")
    config = client.get_model_config("detector", **as_json)
    return {
        "index": index,
        "ready": client.is_model_ready("detector", version),
        "verdict": verdict.tolist()[0].decode(),
        "config": config.get("config", config),
        "statistics": client.get_inference_statistics("detector", version, **as_json),
        "all_statistics": client.get_inference_statistics(**as_json),
        "refused": [_refusal(action) for action in _actions(client)],
    }


def _models(index: Any) -> list[dict[str, str]]:
    models: list[dict[str, str]] = index["models"] if isinstance(index, dict) else index
    return models


def _actions(client: Any) -> list[Any]:
    return [lambda: client.load_model("detector"), lambda: client.unload_model("detector")]


def _refusal(action: Any) -> str:
    try:
        action()
    except tritonclient.utils.InferenceServerException as error:
        return f"{error.status()}: {error.message()}"
    return ""


if __name__ == "__main__":
    main(*sys.argv[1:])
