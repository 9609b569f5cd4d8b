"""Hostile inputs. Each is reproduced by its number and the seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tests.support.fuzz.mutation import header_positions, mutated
from tests.support.fuzz.seeds import images, videos

Kind = Literal[
    "image", "video", "url", "message", "call", "frames", "head", "body", "websocket", "upload"
]
KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
SHARES: dict[Kind, int] = {
    "image": 25,
    "message": 10,
    "call": 10,
    "head": 15,
    "body": 15,
    "frames": 10,
    "url": 5,
    "video": 3,
    "websocket": 4,
    "upload": 3,
}
"""Shares of the kinds, for as many cases of each as a machine has time for."""
_NO_DATA: tuple[Kind, ...] = ("head",)


@dataclass(frozen=True, slots=True)
class Case:
    """An input: its kind, its mutated data, and a source of further choices."""

    number: int
    kind: Kind
    name: str
    data: bytes
    chance: random.Random


class Cases:
    """Builds cases from seeds, with the mutations of `make fuzz`."""

    def __init__(self, folder: Path, seed: int, shares: Mapping[Kind, int]) -> None:
        """`folder` is for the files of videos."""
        self._kinds, self._weights = list(shares), list(shares.values())
        self._seed, self._images, self._videos = seed, images(), videos(folder)
        self._headers = {
            name: header_positions(data) for name, data in (self._images | self._videos).items()
        }

    def case(self, number: int) -> Case:
        """Returns a case. Heads, frames and URLs are mutated by what sends them."""
        chance = random.Random(f"{self._seed}-{number}")
        kind = chance.choices(self._kinds, self._weights)[0]
        if kind in _NO_DATA:
            return Case(number, kind, "", b"", chance)
        is_video = kind == "video" or (kind == "call" and chance.random() < 0.2)
        seeds = self._videos if is_video else self._images
        name, other = chance.choice(list(seeds)), chance.choice(list(seeds.values()))
        data = mutated(seeds[name], self._headers[name], other, chance)
        return Case(number, kind, name, data, chance)
