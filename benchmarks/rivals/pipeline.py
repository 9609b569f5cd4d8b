"""Maps an image to the model server's JSON response, for use behind other servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson

from model_handlers.items import Options
from model_handlers.loading import Runtime, load_task
from model_handlers.pipeline.stopwatch import Stopwatch


def load(folder: str) -> Callable[[bytes], bytes]:
    """Loads the detector of an unpacked archive, on one thread."""
    task = load_task(Path(folder), Runtime(device="cpu", threads=1))

    def detect(image: bytes) -> bytes:
        (verdict,) = task.run([image], [Options()], Stopwatch())
        return orjson.dumps(verdict)

    return detect
