"""The minimum data rate of bodies, on a simulated clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest

from deepfake_serving.contracts.problems import SlowRequest
from deepfake_serving.gateway.ingest.min_rate import MinRateReceive, RateBudget, enforce_min_rate
from deepfake_serving.gateway.settings import MinDataRate

RATE = MinDataRate(max_pause_s=10.0, min_bytes_per_s=100)


class Sleeper(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting."""

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


async def body(pauses: Pauses) -> AsyncIterator[bytes]:
    """Yields a body: a number of bytes after each pause."""
    for seconds, count in pauses:
        await asyncio.sleep(seconds)
        yield bytes(count)


def bytes_read(pauses: Pauses) -> int:
    async def all_of_it() -> int:
        return sum([len(chunk) async for chunk in enforce_min_rate(body(pauses), RATE, len)])

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
def test_fast_bodies_are_read(pauses: Pauses) -> None:
    assert bytes_read(pauses) == sum(count for _, count in pauses)


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
def test_slow_bodies_are_refused(pauses: Pauses) -> None:
    with pytest.raises(SlowRequest, match="less than 100 bytes a second"):
        bytes_read(pauses)


def test_time_spent_by_the_server_is_not_counted() -> None:
    async def slow_to_write() -> int:
        total = 0
        async for chunk in enforce_min_rate(body([(1.0, 1)] * 9), RATE, len):
            await asyncio.sleep(60)
            total += len(chunk)
        return total

    with asyncio.Runner(loop_factory=Sleeper) as runner:
        assert runner.run(slow_to_write()) == 9


def test_an_unrelated_timeout_is_not_caught() -> None:
    async def late() -> bytes:
        raise TimeoutError

    with asyncio.Runner(loop_factory=Sleeper) as runner, pytest.raises(TimeoutError):
        runner.run(RateBudget(RATE).wait(late(), len))


def test_there_is_no_limit_after_the_body() -> None:
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
        receive_limited = MinRateReceive(receive, RATE)
        return [(await receive_limited())["type"] for _ in range(3)]

    with asyncio.Runner(loop_factory=Sleeper) as runner:
        assert runner.run(all_of_them()) == ["http.request", "http.request", "http.disconnect"]
