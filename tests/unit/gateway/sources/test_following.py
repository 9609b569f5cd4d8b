"""Sources that come and go."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    Problem,
    RefusedURL,
    UnreachableURL,
)
from deepfake_serving.gateway.sources import following
from deepfake_serving.gateway.sources.following import follow
from deepfake_serving.gateway.sources.segment import Segment
from tests.unit.gateway.sources.conftest import all_of

AWAY = UnreachableURL("the source has hung up")


class Scripted:
    """Each connection brings what its turn says; after the last turn it is away."""

    def __init__(self, *turns: Sequence[Segment | Problem]) -> None:
        self.turns, self.connections = list(turns), 0

    async def pieces(self) -> AsyncGenerator[Segment, None]:
        self.connections += 1
        for each in self.turns.pop(0) if self.turns else [AWAY]:
            if isinstance(each, Problem):
                raise each
            yield each


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_PAUSE_S", 0.01)
    monkeypatch.setattr(following, "_LONGEST_PAUSE_S", 0.02)


def piece(name: str, gap: str | None = None) -> Segment:
    return Segment(Path(name), 1.0, gap)


async def seen(source: Scripted, patience_s: float = 0.2, known: bool = False) -> list[Segment]:
    return [each async for each in follow(source, patience_s, known)]


async def test_a_source_that_was_lost_is_gone_on_with_after_a_gap() -> None:
    source = Scripted(
        [piece("a"), piece("b"), AWAY],
        [DeadlineExceeded("silent")],
        [piece("c"), piece("d", "behind")],
    )
    assert await seen(source) == [
        piece("a"),
        piece("b"),
        piece("c", "the source was lost: silent"),
        piece("d", "behind"),
    ]
    assert source.connections == 3


async def test_a_source_that_was_never_there_is_told_at_once() -> None:
    source = Scripted()
    with pytest.raises(UnreachableURL):
        await seen(source, 60)
    assert source.connections == 1
    with pytest.raises(UnreachableURL):
        await seen(source, known=True)
    assert source.connections > 2, "one that was there before is waited for"


async def test_a_source_that_stays_away_has_ended() -> None:
    source = Scripted([piece("a"), AWAY])
    found: list[Segment] = []
    with pytest.raises(UnreachableURL):
        await all_of(follow(source, 0.2, False), found)
    assert found == [piece("a")]
    assert 3 < source.connections < 40


async def test_what_leads_where_nobody_may_go_is_not_tried_again() -> None:
    source = Scripted([piece("a"), RefusedURL("private")], [piece("b")])
    with pytest.raises(RefusedURL):
        await seen(source)
    assert source.connections == 1
