"""Mutated images, videos and playlists are decoded or refused, never an internal error.

`make fuzz COUNT=100000` runs more of them. Add each defect it finds here.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.fuzz.fuzzer import Fuzzer
from tests.support.properties import examples


def test_mutated_media_are_decoded_or_refused(tmp_path: Path) -> None:
    fuzzer = Fuzzer(tmp_path, seed=1)
    for _ in fuzzer.run(examples(800)):
        pass
    assert fuzzer.defects == []
    assert fuzzer.outcomes["decoded"] > 20
    assert fuzzer.outcomes.total() - fuzzer.outcomes["decoded"] > 20
