"""A cache of slow builds, shared by all test processes and keyed by the sources."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.paths import ROOT

CACHE = ROOT / "build" / "tests"
SOURCES = (
    "deepfake_serving/__init__.py",
    "deepfake_serving/assets.py",
    "deepfake_serving/contracts",
    "deepfake_serving/packaging",
    "model_handlers",
    "model_store",
    "config/models",
    "requirements/all.txt",
    "loadtest/generate_media.py",
    "tests/support/trained.py",
)
_DAY_S = 86_400


def built(name: str, build: Callable[[Path], object]) -> Path:
    """Returns the folder that `build` filled for these sources.

    One process builds while the others wait. A build that fails leaves nothing.
    """
    folder = CACHE / sources_digest() / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _remove_outdated()
            partial = Path(tempfile.mkdtemp(dir=folder.parent))
            build(partial)
            partial.rename(folder)
    return folder


@functools.cache
def sources_digest() -> str:
    """Returns the sha256 of the paths and contents of everything that a build reads."""
    digest = hashlib.sha256()
    for source in SOURCES:
        root = ROOT / source
        for path in sorted([root] if root.is_file() else root.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _remove_outdated() -> None:
    """Removes builds of other sources that are older than a day."""
    for folder in CACHE.iterdir():
        if folder.name != sources_digest() and folder.stat().st_mtime < time.time() - _DAY_S:
            shutil.rmtree(folder, ignore_errors=True)
