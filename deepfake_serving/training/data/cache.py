"""Arrays in .npz files that are written atomically, and a disk cache of such records."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from deepfake_serving.packaging.replacing import replacing

T = TypeVar("T")


def cached(root: Path, key: Sequence[Any], kind: type[T], build: Callable[[], T]) -> T:
    """Returns the record of `kind` (a dataclass of arrays) under `key`, built if absent."""
    digest = hashlib.sha256(repr([str(part) for part in key]).encode()).hexdigest()
    path = root / digest[:2] / f"{digest}.npz"
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return kind(**{name: archive[name] for name in archive.files})
    except (FileNotFoundError, zipfile.BadZipFile, EOFError, ValueError):
        pass  # absent, or truncated by a full disk
    record = build()
    write_arrays(path, asdict(record))  # type: ignore[call-overload]
    return record


def write_arrays(path: Path, arrays: Mapping[str, npt.ArrayLike]) -> None:
    """Writes a .npz file atomically: other processes never see a part of it."""
    with replacing(path) as target:
        np.savez(target, **arrays)  # type: ignore[arg-type]
