"""NVIDIA's tritonclient against the server, by HTTP and gRPC: prints the responses as JSON.

triton_client.py HTTP_PORT GRPC_PORT IMAGE
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
from PIL import Image


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


def _version(client: Any) -> str:
    """The version that the server reports; both protocols have one shape for it."""
    metadata = client.get_model_metadata("detector")
    versions = metadata["versions"] if isinstance(metadata, dict) else metadata.versions
    return str(versions[0])


def send_requests(library: ModuleType, client: Any, image: Path, **as_json: bool) -> dict[str, Any]:
    """Sends all requests with one of the modules, whose interfaces differ only in `as_json`."""
    encoded = np.array([image.read_bytes()], dtype=np.object_)
    pixels = np.asarray(Image.open(image))
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready("detector", _version(client)),
        "server": client.get_server_metadata(**as_json),
        "model": client.get_model_metadata("detector", **as_json),
        "encoded": infer(library, client, "BYTES", encoded),
        "pixels": infer(library, client, "UINT8", pixels),
        "two": infer(library, client, "UINT8", np.stack([pixels, pixels])),
        "chosen": infer(library, client, "BYTES", encoded, ["verdict"]),
        "refused": refusal(library, client),
    }


def infer(
    library: ModuleType,
    client: Any,
    datatype: str,
    data: np.ndarray,
    outputs: list[str] | None = None,
) -> dict[str, Any]:
    """Returns the values of every output by name."""
    tensor = library.InferInput("images", list(data.shape), datatype)
    tensor.set_data_from_numpy(data)
    requested = outputs and [library.InferRequestedOutput(name) for name in outputs]
    result = client.infer("detector", [tensor], outputs=requested, request_id="mine")
    names = outputs or ["fake_probability", "verdict", "result"]
    values = {name: result.as_numpy(name).tolist() for name in names}
    return {
        name: [v.decode() if isinstance(v, bytes) else v for v in each]
        for name, each in values.items()
    }


def refusal(library: ModuleType, client: Any) -> str:
    """Returns the message of the exception that a text file raises."""
    try:
        infer(library, client, "BYTES", np.array([b"a text"], dtype=np.object_))
    except tritonclient.utils.InferenceServerException as error:
        return str(error.message())
    return ""


if __name__ == "__main__":
    main(*sys.argv[1:])
