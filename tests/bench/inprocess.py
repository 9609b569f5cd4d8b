"""The shipped models in this process, on one thread, out of the archives as they were packed."""

from __future__ import annotations

import atexit
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from model_handlers.loading import Runtime, load_task

ARCHIVES = Path(__file__).resolve().parents[2] / "build" / "archives"


def shipped(name: str, **runtime: Any) -> Any:
    """The task of `build/archives/<name>.mar`; `runtime` overrides what `Runtime` says."""
    folder = tempfile.TemporaryDirectory(prefix="deepfake-bench-")
    atexit.register(folder.cleanup)
    with zipfile.ZipFile(ARCHIVES / f"{name}.mar") as archive:
        archive.extractall(folder.name)
    return load_task(Path(folder.name), Runtime(**({"device": "cpu", "threads": 1} | runtime)))
