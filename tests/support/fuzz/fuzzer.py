"""Decodes mutated media. Each case is reproduced by its number and the seed.

An error other than a `Problem` is a defect, and so is a `Problem` that blames the server.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepfake_serving.contracts.problems import Internal, Problem
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.reader import VideoReader
from deepfake_serving.video.sampling import Sampling
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import decode
from tests.support.fuzz.mutation import header_positions, mutated
from tests.support.fuzz.seeds import images, videos
from tests.support.fuzz.sources import descriptions, read_source

_SPEC = DecodeSpec(max_pixels=4_000_000)
_SAMPLINGS = (Sampling("every", 3), Sampling("uniform", 3), Sampling("fps", 2))
_OPTIONS = [
    VideoOptions(sampling, max_pixels=4_000_000, max_decoded=100, max_memory_bytes=2**29)
    for sampling in _SAMPLINGS
]
_SLOW_S = 5.0


@dataclass(frozen=True)
class _Kind:
    """Seeds of one kind, the positions of their headers, and what reads them."""

    seeds: dict[str, bytes]
    headers: dict[str, list[int]]
    read: Callable[[str, bytes, int], None]


class Fuzzer:
    """Decodes mutated media in this process."""

    def __init__(self, folder: Path, seed: int, only: Sequence[str] = ("",)) -> None:
        """
        Args:
            only: parts of the names of seeds; others are left out.
        """
        self._folder, self._seed, self._only = folder, seed, only
        self._images = self._kind(images(), self._read_image)
        self._videos = self._kind(videos(folder), self._read_video)
        self._sources = self._kind(descriptions(), self._read_source)
        self.outcomes: Counter[str] = Counter()
        self.seeds: Counter[str] = Counter()
        """Cases by seed, of those that were decoded."""
        self.defects: list[str] = []
        """Cases with an unexpected error."""
        self.slow: list[str] = []
        """Cases of more than 5 s of processor time."""

    def run(self, count: int, first: int = 0) -> Iterator[int]:
        """Runs cases; yields the number of each before it runs."""
        for number in range(first, first + count):
            yield number
            self._run(number)

    def _run(self, number: int) -> None:
        chance = random.Random(f"{self._seed}-{number}")
        kinds = [self._images] * 9 + [self._videos] * 9 + [self._sources] * 2
        kind = chance.choice([kind for kind in kinds if kind.seeds])
        name = chance.choice(list(kind.seeds))
        other = chance.choice(list(kind.seeds.values()))
        data = mutated(kind.seeds[name], kind.headers[name], other, chance)
        start = time.process_time()
        outcome = self._outcome(kind, name, data, number)
        self.outcomes[outcome.partition(":")[0]] += 1
        self.seeds[name] += outcome == "decoded"
        if outcome.startswith("defect"):
            self.defects.append(f"{number} {name}: {outcome}")
        if time.process_time() - start > _SLOW_S:
            self.slow.append(f"{number} {name}")

    @staticmethod
    def _outcome(kind: _Kind, name: str, data: bytes, number: int) -> str:
        try:
            kind.read(name, data, number)
        except Internal as problem:
            return f"defect: {problem.detail}"
        except Problem as problem:
            return problem.slug
        except MemoryError:  # documented; in service the decoding process maps it to a problem
            return "out-of-memory"
        except Exception as error:
            return f"defect: {error!r}"
        return "decoded"

    def _read_image(self, _: str, data: bytes, __: int) -> None:
        decode(data, _SPEC)

    def _read_video(self, name: str, data: bytes, number: int) -> None:
        path = self._folder / f"mutated{Path(name).suffix}"
        path.write_bytes(data)
        for batch in VideoReader(path, _OPTIONS[number % len(_OPTIONS)]).batches():
            assert batch.read_s >= 0

    def _read_source(self, name: str, data: bytes, _: int) -> None:
        read_source(name, data, self._folder)

    def _kind(self, seeds: dict[str, bytes], read: Callable[[str, bytes, int], None]) -> _Kind:
        used = {n: data for n, data in seeds.items() if any(part in n for part in self._only)}
        return _Kind(used, {name: header_positions(data) for name, data in used.items()}, read)
