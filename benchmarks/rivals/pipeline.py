"""A picture to the JSON that the model server would answer, for whatever serves it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson

from model_handlers.items import Options
from model_handlers.loading import Runtime, load_task
from model_handlers.pipeline.stopwatch import Stopwatch


def load(folder: str) -> Callable[[bytes], bytes]:
    """The detector of an unpacked archive, on one thread."""
    task = load_task(Path(folder), Runtime(device="cpu", threads=1))

    def judge(picture: bytes) -> bytes:
        (verdict,) = task.run([picture], [Options()], Stopwatch())
        return orjson.dumps(verdict)

    return judge
