"""Runs the fuzzer: `python -m tests.support.fuzz COUNT [SEED] [FIRST]`.

ONLY in the environment has parts of the names of seeds, such as `heic,avif`.

If the process dies, the last line of its output has the number of the case that was running.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import psutil

from tests.support.fuzz.fuzzer import Fuzzer

_REPORT = 1000


def main() -> int:
    """Runs as many cases as the first argument says, and prints what came of them."""
    count, seed, first = (int(value) for value in (*sys.argv[1:], *"10"[len(sys.argv) - 2 :]))
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = Fuzzer(Path(folder), seed, os.environ.get("ONLY", "").split(","))
        for done, number in enumerate(fuzzer.run(count, first)):
            if done % _REPORT == 0:
                _report(fuzzer)
            print(f"\r{number} ", end="", flush=True)
    _report(fuzzer)
    print("decoded by seed:", dict(fuzzer.seeds))
    print(*fuzzer.defects, *(f"slow: {case}" for case in fuzzer.slow), sep="\n")
    return len(fuzzer.defects)


def _report(fuzzer: Fuzzer) -> None:
    resident = psutil.Process().memory_info().rss // 2**20
    defects = f"defects: {len(fuzzer.defects)}, resident: {resident} MiB"
    print(f"\r{fuzzer.outcomes.total()} {dict(fuzzer.outcomes)} {defects}", flush=True)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
