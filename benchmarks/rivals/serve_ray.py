"""Ray Serve."""

from __future__ import annotations

import sys
import time

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from benchmarks.rivals.pipeline import load

WORKERS = 2


@serve.deployment(num_replicas=WORKERS, ray_actor_options={"num_cpus": 1}, max_ongoing_requests=4)
class Detector:
    """Maps an image as the request body to a JSON response."""

    def __init__(self, folder: str) -> None:
        self.detect = load(folder)

    async def __call__(self, request: Request) -> Response:
        return Response(self.detect(await request.body()), media_type="application/json")


if __name__ == "__main__":
    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])})
    serve.run(Detector.bind(sys.argv[1]), route_prefix="/predict")  # type: ignore[attr-defined]
    while True:
        time.sleep(3600)
