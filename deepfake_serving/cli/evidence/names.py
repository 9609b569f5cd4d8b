"""Names of the files that are written beside the verdicts of images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

_MAX_STEM_BYTES = 200
"""Length that leaves numbers, a model and a suffix their part of the 255 of a file system."""


class OutputNames:
    """Chooses paths that are no input and were not chosen before, in any folder."""

    def __init__(self, inputs: Iterable[Path]) -> None:
        self._used = {path.resolve() for path in inputs}

    def choose(self, folder: Path, stem: str, endings: Sequence[str]) -> list[Path]:
        """Returns a path for each ending, such as `-1.png`. Stems of the same name get a number."""
        while len(os.fsencode(stem)) > _MAX_STEM_BYTES:
            stem = stem[:-1]
        name, number = stem, 1
        while not self._used.isdisjoint(_resolved(folder, name, endings)):
            number += 1
            name = f"{stem}-{number}"
        self._used.update(_resolved(folder, name, endings))
        return [folder / f"{name}{ending}" for ending in endings]


def _resolved(folder: Path, name: str, endings: Sequence[str]) -> list[Path]:
    return [(folder / f"{name}{ending}").resolve() for ending in endings]
