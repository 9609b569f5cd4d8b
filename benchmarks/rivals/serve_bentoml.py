"""BentoML. Its command imports this file; BENCH_FOLDER names the unpacked archive."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bentoml

from benchmarks.rivals.pipeline import load

WORKERS = 2


@bentoml.service(workers=WORKERS, traffic={"timeout": 60})
class Detector:
    """Maps an uploaded file to JSON."""

    def __init__(self) -> None:
        self.detect = load(os.environ["BENCH_FOLDER"])

    @bentoml.api(route="/predict")
    def predict(self, file: Path) -> Any:
        import orjson

        return orjson.loads(self.detect(file.read_bytes()))
