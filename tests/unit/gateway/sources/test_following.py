"""Reconnection to live sources."""

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

LOST = UnreachableURL("the source closed the connection")


class Scripted:
    """A source with scripted connections; after the last one it is unreachable."""

    def __init__(self, *turns: Sequence[Segment | Problem]) -> None:
        self.script, self.connections = list(turns), 0

    async def segments(self) -> AsyncGenerator[Segment, None]:
        self.connections += 1
        for each in self.script.pop(0) if self.script else [LOST]:
            if isinstance(each, Problem):
                raise each
            yield each


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_BACKOFF_S", 0.01)
    monkeypatch.setattr(following, "_MAX_BACKOFF_S", 0.05)


def segment(name: str, gap: str | None = None) -> Segment:
    return Segment(Path(name), 1.0, gap)


async def followed(
    source: Scripted, reconnect_timeout_s: float = 1.0, resumed: bool = False
) -> list[Segment]:
    return [each async for each in follow(source, reconnect_timeout_s, resumed)]


async def test_a_lost_source_continues_after_a_gap() -> None:
    source = Scripted(
        [segment("a"), segment("b"), LOST],
        [DeadlineExceeded("silent")],
        [segment("c"), segment("d", "behind")],
    )
    assert await followed(source) == [
        segment("a"),
        segment("b"),
        segment("c", "the source was lost: silent"),
        segment("d", "behind"),
    ]
    assert source.connections == 3


async def test_a_source_that_never_connected_fails_at_once() -> None:
    source = Scripted()
    with pytest.raises(UnreachableURL):
        await followed(source, 60)
    assert source.connections == 1
    with pytest.raises(UnreachableURL):
        await followed(source, resumed=True)
    assert source.connections > 2, "a resumed source may be unreachable at first"


async def test_a_source_that_stays_unreachable_ends() -> None:
    source = Scripted([segment("a"), LOST])
    found: list[Segment] = []
    with pytest.raises(UnreachableURL):
        await all_of(follow(source, 1.0, False), found)
    assert found == [segment("a")]
    assert 1 < source.connections < 40


async def test_a_refused_address_is_not_retried() -> None:
    source = Scripted([segment("a"), RefusedURL("private")], [segment("b")])
    with pytest.raises(RefusedURL):
        await followed(source)
    assert source.connections == 1
