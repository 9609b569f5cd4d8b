"""Rate limits counted in memory and in a real Redis, also in one that is down or hangs."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from deepfake_serving.contracts.problems import RateLimited
from deepfake_serving.gateway.auth import rate_limits
from deepfake_serving.gateway.auth.rate_limits import RateLimiter, RateLimitStatus
from tests.support.ports import free_port
from tests.support.redis_server import as_admin, redis_program, user_options

Failures = list[int]
Make = Callable[[str | None, str | None, Callable[[], object]], RateLimiter]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = redis_program()
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", *user_options()]
    with subprocess.Popen(
        [*command, "--save", "", "--dir", str(tmp_path_factory.mktemp("redis"))],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any("Ready to accept connections" in line for line in process.stdout)
        yield f"redis://127.0.0.1:{port}/0"
        process.kill()


@pytest.fixture(autouse=True)
def _generous_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raises the timeout, so that a slow machine does not look like a broken Redis."""
    monkeypatch.setattr(rate_limits, "_TIMEOUT_S", 10.0)


@pytest.fixture
async def open_limiter() -> AsyncIterator[Make]:
    """Returns a function that creates limiters and closes them after the test."""
    async with AsyncExitStack() as stack:

        def build(rate: str | None, url: str | None, failed: Callable[[], object]) -> RateLimiter:
            limiter = RateLimiter(rate, url, failed)
            stack.push_async_callback(limiter.close)
            return limiter

        yield build


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest, open_limiter: Make) -> Callable[[str | None], RateLimiter]:
    storage = None
    if request.param == "redis":
        storage = request.getfixturevalue("redis_url")
        with as_admin(storage) as client:
            client.flushall()
    return lambda rate: open_limiter(rate, storage, lambda: pytest.fail("the counter failed"))


async def passes(limiter: RateLimiter, key: str) -> bool:
    status = await limiter.hit(key, None)
    return status is None or status.allowed


async def test_a_client_gets_its_status_and_then_a_retry_after(
    make: Callable[[str | None], RateLimiter],
) -> None:
    limiter = make("3/minute")
    seen = [await limiter.hit("a", None) for _ in range(3)]
    assert [status and status.remaining for status in seen] == [2, 1, 0]
    assert {status and status.quota for status in seen} == {3}
    over = await limiter.hit("a", None)
    assert over is not None
    assert (over.allowed, over.remaining) == (False, 0)
    with pytest.raises(RateLimited, match="3 requests in 60 s") as caught:
        over.check()
    assert 1 <= (caught.value.retry_after_s or 0) <= 60


def test_a_client_waits_at_least_a_second() -> None:
    over = RateLimitStatus(quota=3, window_s=60, remaining=0, reset_s=0, allowed=False)
    with pytest.raises(RateLimited) as caught:
        over.check()
    assert caught.value.retry_after_s == 1


async def test_keys_have_their_own_windows_and_rates(
    make: Callable[[str | None], RateLimiter],
) -> None:
    limiter = make("1/minute")
    await limiter.hit("a", None)
    await limiter.hit("b", None)
    status = await limiter.hit("c", "7/hour")
    assert status is not None
    assert (status.quota, status.window_s, status.remaining) == (7, 3600, 6)
    assert not await passes(limiter, "a")


async def test_concurrent_requests_do_not_exceed_the_limit(
    make: Callable[[str | None], RateLimiter],
) -> None:
    limiter = make("5/hour")
    completed = await asyncio.gather(*(passes(limiter, "a") for _ in range(20)))
    assert (completed.count(True), completed.count(False)) == (5, 15)


async def test_two_gateways_share_a_window(redis_url: str, open_limiter: Make) -> None:
    first, second = (open_limiter("2/hour", redis_url, lambda: pytest.fail("failed")) for _ in "ab")
    await first.hit("together", None)
    await second.hit("together", None)
    assert not await passes(first, "together")


async def test_a_status_counts_no_request(make: Callable[[str | None], RateLimiter]) -> None:
    limiter = make("3/minute")
    await limiter.hit("a", None)
    for _ in range(5):
        status = await limiter.status("a", None)
        assert status is not None
        assert (status.remaining, status.quota, status.window_s) == (2, 3, 60)
    own = await limiter.status("b", "7/hour")
    assert own is not None
    assert own.remaining == 7
    assert await make(None).status("a", None) is None


async def test_without_a_rate_there_is_no_status(make: Callable[[str | None], RateLimiter]) -> None:
    assert await make(None).hit("a", None) is None


def test_rate_limit_headers_follow_the_ietf_draft() -> None:
    status = RateLimitStatus(quota=100, window_s=60, remaining=9, reset_s=12)
    assert RateLimitStatus.headers([status]) == {
        "RateLimit-Policy": '"key";q=100;w=60',
        "RateLimit": '"key";r=9;t=12',
    }
    daily = RateLimitStatus(50, 86400, 3, 100, name="bytes-per-day", unit="content-bytes")
    assert RateLimitStatus.headers([status, daily]) == {
        "RateLimit-Policy": '"key";q=100;w=60, "bytes-per-day";q=50;w=86400;qu="content-bytes"',
        "RateLimit": '"key";r=9;t=12, "bytes-per-day";r=3;t=100',
    }


@pytest.mark.parametrize("rate", ["often", "3", "x/minute"])
def test_an_invalid_rate_is_a_value_error(rate: str) -> None:
    with pytest.raises(ValueError, match="rate limit"):
        RateLimiter(rate, None, lambda: None)


async def test_requests_pass_when_redis_is_down_and_one_failure_is_counted(
    open_limiter: Make,
) -> None:
    failures: Failures = []
    limiter = open_limiter("1/minute", "redis://127.0.0.1:1/0", lambda: failures.append(1))
    assert [await limiter.hit("a", None) for _ in range(5)] == [None] * 5
    assert len(failures) == 1


async def test_a_redis_that_hangs_delays_one_request_briefly(
    open_limiter: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "_TIMEOUT_S", 0.25)
    connections: Failures = []
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        with contextlib.closing(writer):
            await reader.read(1)
            await gone.wait()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        limiter = open_limiter("1/minute", f"redis://127.0.0.1:{port}/0", lambda: None)
        async with asyncio.timeout(30):  # fifty timeouts of the client would be longer
            assert [await limiter.hit("a", None) for _ in range(50)] == [None] * 50
        gone.set()
    assert len(connections) == 1


async def test_limits_apply_again_once_redis_is_back(
    redis_url: str, open_limiter: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "_PAUSE_S", 0.0)
    limiter = open_limiter("1/minute", redis_url, lambda: None)
    with as_admin(redis_url) as client:
        client.flushall()
        await limiter.hit("back", None)
        client.client_pause(60_000, all=False)  # writes are paused, shutdown is not
        monkeypatch.setattr(rate_limits, "_TIMEOUT_S", 0.1)
        assert await limiter.hit("back", None) is None
        client.client_unpause()
        monkeypatch.setattr(rate_limits, "_TIMEOUT_S", 10.0)
    assert not await passes(limiter, "back")
