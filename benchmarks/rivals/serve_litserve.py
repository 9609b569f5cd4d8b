"""LitServe."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable

import litserve
from fastapi import Response

from benchmarks.rivals.pipeline import load

WORKERS = 2


class Detector(litserve.LitAPI):
    """Maps `{"image": base64}` to JSON: workers get neither a raw body nor a form's file."""

    detect: Callable[[bytes], bytes]

    def setup(self, device: str) -> None:
        self.detect = load(sys.argv[1])

    def decode_request(self, request: dict[str, str]) -> bytes:
        return base64.b64decode(request["image"])

    def predict(self, image: bytes) -> bytes:
        return self.detect(image)

    def encode_response(self, result: bytes) -> Response:
        return Response(result, media_type="application/json")


if __name__ == "__main__":
    server = litserve.LitServer(Detector(), accelerator="cpu", workers_per_device=WORKERS)
    server.run(port=int(sys.argv[2]), host="127.0.0.1", generate_client_file=False)
