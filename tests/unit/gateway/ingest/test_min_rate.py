"""How slowly a body may come, by a clock that only moves when the sender makes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest

from deepfake_serving.contracts.problems import SlowRequest
from deepfake_serving.gateway.ingest.min_rate import MinDataRate, PacedReceive, RateBudget, paced

PACE = MinDataRate(patience_s=10.0, least_bytes_per_s=100)


class Sleeper(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to what is due next instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        timers = [t.when() for t in self._scheduled if not t.cancelled()]  # type: ignore[attr-defined]
        if not self._ready and timers:  # type: ignore[attr-defined]
            self.now = max(self.now, min(timers))
        super()._run_once()  # type: ignore[misc]


Pauses = Iterable[tuple[float, int]]


async def sent(pauses: Pauses) -> AsyncIterator[bytes]:
    """So many bytes after each pause."""
    for seconds, count in pauses:
        await asyncio.sleep(seconds)
        yield bytes(count)


def received(pauses: Pauses) -> int:
    async def all_of_it() -> int:
        return sum([len(chunk) async for chunk in paced(sent(pauses), PACE)])

    with asyncio.Runner(loop_factory=Sleeper) as runner:
        return runner.run(all_of_it())


@pytest.mark.parametrize(
    "pauses",
    [
        [],
        [(9.9, 1)],
        [(1.0, 100)] * 500,
        [(9.0, 900)] * 50,
        [(0.0, 10**6), (9.9, 1)],
        [(5.0, 500), (9.9, 10)],
    ],
)
def test_bodies_that_come_fast_enough(pauses: Pauses) -> None:
    assert received(pauses) == sum(count for _, count in pauses)


@pytest.mark.parametrize(
    "pauses",
    [
        [(10.1, 10**6)],
        [(1.0, 90)] * 500,
        [(9.0, 1), (1.1, 1)],
        [(0.0, 10**9), (10.1, 1)],
    ],
    ids=["silent", "slower", "a byte now and then", "nothing is saved up"],
)
def test_bodies_that_do_not(pauses: Pauses) -> None:
    with pytest.raises(SlowRequest, match="less than 100 bytes a second"):
        received(pauses)


def test_what_we_take_to_write_is_not_the_caller_s_fault() -> None:
    async def slow_to_write() -> int:
        total = 0
        async for chunk in paced(sent([(1.0, 1)] * 9), PACE):
            await asyncio.sleep(60)
            total += len(chunk)
        return total

    with asyncio.Runner(loop_factory=Sleeper) as runner:
        assert runner.run(slow_to_write()) == 9


def test_another_s_timeout_stays_its_own() -> None:
    async def late() -> bytes:
        raise TimeoutError

    with asyncio.Runner(loop_factory=Sleeper) as runner, pytest.raises(TimeoutError):
        runner.run(RateBudget(PACE).wait(late(), len))


def test_who_has_sent_all_may_wait_for_the_answer() -> None:
    messages: list[tuple[float, dict[str, object]]] = [
        (1.0, {"type": "http.request", "body": b"a", "more_body": True}),
        (1.0, {"type": "http.request", "body": b"b"}),
        (3600.0, {"type": "http.disconnect"}),
    ]

    async def receive() -> dict[str, object]:
        seconds, message = messages.pop(0)
        await asyncio.sleep(seconds)
        return message

    async def all_of_them() -> list[object]:
        paced_receive = PacedReceive(receive, PACE)
        return [(await paced_receive())["type"] for _ in range(3)]

    with asyncio.Runner(loop_factory=Sleeper) as runner:
        assert runner.run(all_of_them()) == ["http.request", "http.request", "http.disconnect"]
