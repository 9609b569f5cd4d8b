"""A mutating fuzzer of media: `python -m tests.support.media_fuzz 10000 [seed]`.

Each case is reproduced by its number and the seed. An error other than a `Problem` is a defect, and
so is a `Problem` that blames the server.
"""

from __future__ import annotations

import random
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from deepfake_serving.contracts.problems import Internal, Problem
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.reader import VideoReader
from deepfake_serving.video.sampling import Sampling
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import decode
from tests.support.media_seeds import images, videos

_SPEC = DecodeSpec(max_pixels=4_000_000)
_OPTIONS = VideoOptions(
    Sampling("every", 3), max_pixels=4_000_000, max_decoded=100, max_memory_bytes=2**29
)
_NUMBERS = (0, 1, 2, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_SLOW_S = 5.0


class Fuzzer:
    """Decodes mutated media in this process."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed
        self._images, self._videos = images(), videos(folder)
        self.outcomes: Counter[str] = Counter()
        self.defects: list[str] = []
        """Cases with an unexpected error."""
        self.slow: list[str] = []
        """Cases of more than 5 s of processor time."""

    def run(self, count: int) -> Iterator[int]:
        """Runs cases; yields their numbers."""
        for number in range(count):
            self._run(number)
            yield number

    def _run(self, number: int) -> None:
        chance = random.Random(f"{self._seed}-{number}")
        seeds = self._images if chance.random() < 0.5 else self._videos
        name = chance.choice(list(seeds))
        data = mutated(seeds[name], chance.choice(list(seeds.values())), chance)
        start = time.process_time()
        try:
            self._decode(name, data, is_image=seeds is self._images)
            outcome = "decoded"
        except Internal as problem:
            outcome = f"defect: {problem.detail}"
        except Problem as problem:
            outcome = problem.slug
        except MemoryError:  # documented; in service the decoding process maps it to a problem
            outcome = "out-of-memory"
        except Exception as error:
            outcome = f"defect: {error!r}"
        self.outcomes[outcome.partition(":")[0]] += 1
        if outcome.startswith("defect"):
            self.defects.append(f"{number} {name}: {outcome}")
        if time.process_time() - start > _SLOW_S:
            self.slow.append(f"{number} {name}")

    def _decode(self, name: str, data: bytes, *, is_image: bool) -> None:
        if is_image:
            decode(data, _SPEC)
            return
        path = self._folder / f"mutated{Path(name).suffix}"
        path.write_bytes(data)
        for batch in VideoReader(path, _OPTIONS).batches():
            assert batch.read_s >= 0


def mutated(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Returns the data with one to eight changes, most of them near the start."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = int(max(len(changed) - 4, 0) * chance.random() ** 3)
        length = chance.choice((1, 2, 4, 16, 200))
        match chance.randrange(7):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                number = chance.choice(_NUMBERS)
                form = chance.choice((">I", "<I"))
                changed[at : at + 4] = struct.pack(form, number)
            case 2:
                changed[at : at + length] = chance.randbytes(length)
            case 3:
                del changed[at : at + length]
            case 4:
                changed[at:at] = changed[at : at + length]
            case 5:
                start = chance.randrange(len(other))
                changed[at : at + length] = other[start : start + length]
            case 6 if chance.random() < 0.3:
                del changed[chance.randrange(len(changed) + 1) :]
            case _:
                if changed:
                    changed[min(at, len(changed) - 1)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def main() -> int:
    """Runs as many cases as the first argument says, and prints what came of them."""
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = Fuzzer(Path(folder), seed)
        for number in fuzzer.run(count):
            if number % 500 == 499:
                print(number + 1, dict(fuzzer.outcomes), flush=True)
    print(*fuzzer.defects, *(f"slow: {case}" for case in fuzzer.slow), sep="\n")
    return len(fuzzer.defects)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
