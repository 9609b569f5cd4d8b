"""Rates of keys, counted in memory and in a real Redis, also in one that is away or silent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack

import pytest
import redis

from deepfake_serving.contracts.problems import RateLimited
from deepfake_serving.gateway.auth import rate_limits as limits
from deepfake_serving.gateway.auth.rate_limits import Limits, RateLimitStatus
from tests.support.redis_server import redis_program

Failures = list[int]
Make = Callable[[str | None, str | None, Callable[[], object]], Limits]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = redis_program()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(
        [*command, "--dir", str(tmp_path_factory.mktemp("redis"))],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any("Ready to accept connections" in line for line in process.stdout)
        yield f"redis://127.0.0.1:{port}/0"
        process.kill()


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no broken Redis; tests of a broken one are less patient."""
    monkeypatch.setattr(limits, "_PATIENCE_S", 10.0)


@pytest.fixture
async def opened() -> AsyncIterator[Make]:
    """Makes counters, which are closed in the end; some may fail."""
    async with AsyncExitStack() as stack:

        def make(rate: str | None, url: str | None, failed: Callable[[], object]) -> Limits:
            counter = Limits(rate, url, failed)
            stack.push_async_callback(counter.close)
            return counter

        yield make


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest, opened: Make) -> Callable[[str | None], Limits]:
    storage = None
    if request.param == "redis":
        storage = request.getfixturevalue("redis_url")
        with redis.Redis.from_url(storage) as client:
            client.flushall()
    return lambda rate: opened(rate, storage, lambda: pytest.fail("the counter failed"))


async def passes(counter: Limits, key: str) -> bool:
    standing = await counter.count(key, None)
    return standing is None or standing.passed


async def test_a_caller_is_told_where_it_stands_and_then_to_wait(
    make: Callable[[str | None], Limits],
) -> None:
    counter = make("3/minute")
    seen = [await counter.count("a", None) for _ in range(3)]
    assert [standing and standing.remaining for standing in seen] == [2, 1, 0]
    assert {standing and standing.quota for standing in seen} == {3}
    over = await counter.count("a", None)
    assert over is not None
    assert (over.passed, over.remaining) == (False, 0)
    with pytest.raises(RateLimited, match="3 requests in 60 s") as caught:
        over.check()
    assert 1 <= (caught.value.retry_after_s or 0) <= 60


async def test_keys_are_counted_apart_and_by_their_own_rate(
    make: Callable[[str | None], Limits],
) -> None:
    counter = make("1/minute")
    await counter.count("a", None)
    await counter.count("b", None)
    standing = await counter.count("c", "7/hour")
    assert standing is not None
    assert (standing.quota, standing.window_s, standing.remaining) == (7, 3600, 6)
    assert not await passes(counter, "a")


async def test_no_more_pass_at_once_than_may(make: Callable[[str | None], Limits]) -> None:
    counter = make("5/hour")
    done = await asyncio.gather(*(passes(counter, "a") for _ in range(20)))
    assert (done.count(True), done.count(False)) == (5, 15)


async def test_two_gateways_count_together(redis_url: str, opened: Make) -> None:
    first, second = (opened("2/hour", redis_url, lambda: pytest.fail("failed")) for _ in "ab")
    await first.count("together", None)
    await second.count("together", None)
    assert not await passes(first, "together")


async def test_without_a_rate_nothing_is_counted(make: Callable[[str | None], Limits]) -> None:
    assert await make(None).count("a", None) is None


def test_the_headers_are_those_of_the_draft() -> None:
    assert RateLimitStatus(quota=100, window_s=60, remaining=9, reset_s=12).headers() == {
        "RateLimit-Policy": '"key";q=100;w=60',
        "RateLimit": '"key";r=9;t=12',
    }


@pytest.mark.parametrize("rate", ["often", "3", "x/minute"])
def test_a_rate_that_can_not_be_read_is_told_at_once(rate: str) -> None:
    with pytest.raises(ValueError, match="rate limit"):
        Limits(rate, None, lambda: None)


async def test_a_redis_that_is_away_lets_requests_pass_and_is_counted_once(opened: Make) -> None:
    failures: Failures = []
    counter = opened("1/minute", "redis://127.0.0.1:1/0", lambda: failures.append(1))
    assert [await counter.count("a", None) for _ in range(5)] == [None] * 5
    assert len(failures) == 1


async def test_a_redis_that_is_silent_holds_up_one_request_and_not_for_long(
    opened: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_PATIENCE_S", 0.25)
    connections: Failures = []
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        with contextlib.closing(writer):
            await reader.read(1)
            await gone.wait()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        counter = opened("1/minute", f"redis://127.0.0.1:{port}/0", lambda: None)
        async with asyncio.timeout(4):  # the client's own patience is longer
            assert [await counter.count("a", None) for _ in range(50)] == [None] * 50
        gone.set()
    assert len(connections) == 1


async def test_a_redis_that_is_back_counts_again(
    redis_url: str, opened: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_PAUSE_S", 0.0)
    counter = opened("1/minute", redis_url, lambda: None)
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        await counter.count("back", None)
        client.client_pause(60_000, all=False)  # writes wait, an end to it does not
        monkeypatch.setattr(limits, "_PATIENCE_S", 0.1)
        assert await counter.count("back", None) is None
        client.client_unpause()
        monkeypatch.setattr(limits, "_PATIENCE_S", 10.0)
    assert not await passes(counter, "back")
