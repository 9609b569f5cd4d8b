"""PyTriton: NVIDIA Triton with Python functions as models."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from tests.bench.rivals.pipeline import load

WORKERS = 2


class Detector:
    """One instance; it loads where it runs."""

    def __init__(self) -> None:
        self.judge: Callable[[bytes], bytes] | None = None

    def __call__(self, requests: list[Any]) -> list[dict[str, Any]]:
        if self.judge is None:
            self.judge = load(sys.argv[1])
        return [
            {"answer": np.array([self.judge(bytes(request["picture"][0]))], dtype=np.bytes_)}
            for request in requests
        ]


if __name__ == "__main__":
    port = int(sys.argv[2])
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=port,
        allow_grpc=False,
        allow_metrics=False,
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="detector",
            infer_func=[Detector() for _ in range(WORKERS)],
            inputs=[Tensor(name="picture", dtype=np.bytes_, shape=(1,))],
            outputs=[Tensor(name="answer", dtype=np.bytes_, shape=(1,))],
            config=ModelConfig(batching=False),
        )
        triton.serve()
