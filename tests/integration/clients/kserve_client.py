"""KServe's InferenceRESTClient and InferenceGRPCClient: prints the responses as JSON.

kserve_client.py HTTP_PORT GRPC_PORT IMAGE
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import sys
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RESTConfig,
)
from PIL import Image


async def main(http_port: str, grpc_port: str, image: str) -> None:
    logging.disable(logging.CRITICAL)
    url = f"http://127.0.0.1:{http_port}"
    async with (
        InferenceRESTClient(RESTConfig(protocol="v2", timeout=300)) as rest,
        InferenceGRPCClient(f"127.0.0.1:{grpc_port}", timeout=300) as rpc,
    ):
        requests = requests_of(Path(image))
        text = InferRequest("detector", [encoded(b"a text")])
        responses = {
            "http": {
                "live": await rest.is_server_live(url),
                "ready": await rest.is_server_ready(url),
                "model_ready": await rest.is_model_ready(url, "detector"),
                **{
                    name: values(await rest.infer(url, request, model_name="detector"))
                    for name, request in requests.items()
                },
                "refused": await refusal(rest.infer(url, text, model_name="detector")),
            },
            "grpc": {
                "live": await rpc.is_server_live(),
                "ready": await rpc.is_server_ready(),
                "model_ready": await rpc.is_model_ready("detector"),
                **{
                    name: values(await rpc.infer(request))
                    for name, request in requests.items()
                    if name != "base64"  # gRPC holds bytes as they are
                },
                "refused": await refusal(rpc.infer(text)),
            },
        }
    print(json.dumps(responses))


def requests_of(image: Path) -> dict[str, InferRequest]:
    data, pixels = image.read_bytes(), np.asarray(Image.open(image))
    raw = InferInput("images", list(pixels.shape), "UINT8")
    raw.set_data_from_numpy(pixels)
    two = InferInput("images", [2, *pixels.shape], "UINT8")
    two.set_data_from_numpy(np.stack([pixels, pixels]))
    text = InferInput("images", [1], "BYTES", data=[base64.b64encode(data).decode()])
    return {
        "encoded": InferRequest("detector", [encoded(data)]),
        "base64": InferRequest("detector", [text]),
        "pixels": InferRequest("detector", [raw]),
        "two": InferRequest("detector", [two]),
        "binary": InferRequest(
            "detector", [encoded(data)], parameters={"binary_data_output": True}
        ),
    }


def encoded(data: bytes) -> InferInput:
    tensor = InferInput("images", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([data], dtype=np.object_))
    return tensor


def values(response: Any) -> dict[str, Any]:
    """Returns the values of every output by name."""
    named = {output.name: output.as_numpy().tolist() for output in response.outputs}
    return {
        name: [v.decode() if isinstance(v, bytes) else v for v in each]
        for name, each in named.items()
    }


async def refusal(call: Any) -> str:
    """Returns the message of the exception that a text file raises."""
    try:
        await call
    except (httpx.HTTPStatusError, grpc.RpcError) as error:
        return str(error)
    return ""


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
