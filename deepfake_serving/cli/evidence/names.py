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
        self._numbers: dict[tuple[Path, str], int] = {}
        """Numbers that the latest files of a stem have, of which thousands may be the same."""

    def choose(self, folder: Path, stem: str, endings: Sequence[str]) -> list[Path]:
        """Returns a path for each ending, such as `-1.png`. Stems of the same name get a number."""
        while len(os.fsencode(stem)) > _MAX_STEM_BYTES:
            stem = stem[:-1]
        number = self._numbers.get((folder, stem), 1)
        while not self._used.isdisjoint(_resolved(folder, _numbered(stem, number), endings)):
            number += 1
        self._numbers[folder, stem] = number
        name = _numbered(stem, number)
        self._used.update(_resolved(folder, name, endings))
        return [folder / f"{name}{ending}" for ending in endings]


def _numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem}-{number}"


def _resolved(folder: Path, name: str, endings: Sequence[str]) -> list[Path]:
    return [(folder / f"{name}{ending}").resolve() for ending in endings]
