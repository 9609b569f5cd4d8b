"""URLs of clients: allowed destinations, and hostile servers.

The servers listen on loopback, which most tests allow explicitly.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    Problem,
    RefusedURL,
    TooLarge,
    UnreachableURL,
)
from deepfake_serving.gateway.fetch import fetcher as fetcher_module
from deepfake_serving.gateway.fetch import names
from deepfake_serving.gateway.fetch.address_policy import AddressPolicy
from deepfake_serving.gateway.fetch.fetcher import Fetcher

LOOPBACK = AddressPolicy(["127.0.0.0/8", "::1"])
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Runs a server with one handler for all paths; yields its URL."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def speaking(lines: bytes, pause_s: float | None = None) -> AsyncIterator[str]:
    """Runs a server that sends the same bytes to every client, one by one if `pause_s` is set."""

    handling: dict[asyncio.Task[Any], asyncio.WriteTransport] = {}

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handling[asyncio.current_task()] = writer.transport  # type: ignore[index]
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            step = len(lines) + 1 if pause_s is None else 1
            for start in range(0, len(lines), step):
                writer.write(lines[start : start + step])
                await writer.drain()
                await asyncio.sleep(pause_s or 0)

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task, transport in handling.items():
            task.cancel()
            transport.abort()
        await asyncio.gather(*handling, return_exceptions=True)


async def fetch(
    url: str, *, policy: AddressPolicy = LOOPBACK, max_bytes: int = 10_000, within_s: float = 5
) -> bytes:
    received = bytearray()
    await Fetcher(policy, within_s).fetch(url, received.extend, max_bytes)
    return bytes(received)


async def hello(_: web.Request) -> web.Response:
    return web.Response(body=b"hello")


async def test_a_media_file_is_fetched() -> None:
    async with serving(hello) as url:
        assert await fetch(f"{url}/a.jpg") == b"hello"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "127.0.0.1.", "①②⑦.0.0.1",
    ],
)  # fmt: skip
async def test_no_spelling_of_loopback_is_fetched(host: str) -> None:
    requests: list[str] = []

    async def note(request: web.Request) -> web.Response:
        requests.append(request.path)
        return web.Response(body=b"secret")

    async with serving(note) as url:
        port = url.rpartition(":")[2]
        with pytest.raises((RefusedURL, UnreachableURL)) as caught:
            await fetch(f"http://{host}:{port}/", policy=AddressPolicy())
    assert requests == []
    assert "127.0" not in caught.value.detail


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "127.0.0.1", "198.18.0.1", "192.0.2.1", "::1", "::",
        "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "ff02::1", "2001:db8::1", "::ffff:10.0.0.1",
        "64:ff9b::a00:1", "2002:a00:1::", "2001:0:a00:1::",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not AddressPolicy().allows(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert AddressPolicy().allows(address)


def test_a_network_can_be_allowed() -> None:
    policy = AddressPolicy(["10.1.0.0/16"])
    assert policy.allows("10.1.2.3")
    assert not policy.allows("10.2.0.1")
    assert not policy.allows("127.0.0.1")


async def test_dns_rebinding_does_not_change_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The responses are scripted: public first, loopback from then on (DNS rebinding)."""
    requests: list[str] = []

    async def note(request: web.Request) -> web.Response:
        requests.append(request.path)
        return web.Response(body=b"secret")

    async with serving(note) as url:
        port = int(url.rpartition(":")[2])
        responses = iter(["203.0.114.9", *["127.0.0.1"] * 9])
        looked_up: list[str] = []

        async def look_up(host: str, *_: Any, **__: Any) -> list[Any]:
            looked_up.append(next(responses))
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (looked_up[-1], port))]

        monkeypatch.setattr(names, "look_up", look_up)
        await look_up("rebinding.test")  # a check before connecting would get this one
        with pytest.raises(RefusedURL):
            await fetch(f"http://rebinding.test:{port}/", policy=AddressPolicy())
    assert requests == []
    assert looked_up[-1] == "127.0.0.1"


async def test_a_redirect_to_a_refused_address_is_refused() -> None:
    reached: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        if request.host.startswith("127.0.0.2"):
            reached.append(request.path)
        raise web.HTTPFound(f"http://127.0.0.2:{request.url.port}/metadata")

    async with serving(redirect) as url:
        with pytest.raises(RefusedURL):
            await fetch(url, policy=AddressPolicy(["127.0.0.1/32"]))
    assert reached == []


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("file:///etc/passwd", RefusedURL),
        ("gopher://127.0.0.1/", RefusedURL),
        ("http://user:secret@127.0.0.1/", RefusedURL),
        ("//", UnreachableURL),
        ("http://[", RefusedURL),
        ("http://" + "a" * 5000, RefusedURL),
        ("", UnreachableURL),
        ("/again", UnreachableURL),
    ],
)
async def test_every_redirect_is_checked(location: str, problem: type[Problem]) -> None:
    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": location})

    async with serving(redirect) as url:
        with pytest.raises(problem):
            await fetch(url)


async def test_a_redirect_is_followed() -> None:
    async def once(request: web.Request) -> web.Response:
        if request.path == "/":
            raise web.HTTPMovedPermanently("/there")
        return web.Response(body=b"there")

    async with serving(once) as url:
        assert await fetch(url) == b"there"


@pytest.mark.parametrize(
    "url",
    [
        "", "a", "ftp://x/a", "file:///etc/passwd", "http://", "http://u@x/", "http://u:p@x/",
        "http://x:99999/", "http://x:port/", "http://[::1", "javascript:alert(1)", "//x/a",
        "http://x/" + "a" * 5000,
    ],
)  # fmt: skip
def test_an_invalid_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(RefusedURL):
        Fetcher(AddressPolicy(), 5).check(url)


@given(st.text(max_size=60))
def test_any_string_is_a_valid_url_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"http://x/{text}", f"https://{text}:80/"):
        try:
            assert Fetcher(AddressPolicy(), 5).check(url).scheme in ("http", "https")
        except RefusedURL:
            continue


@pytest.mark.parametrize("status", [204, 206, 304, 400, 401, 404, 500])
async def test_an_error_status_is_unreachable(status: int) -> None:
    async def respond(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with serving(respond) as url:
        with pytest.raises(UnreachableURL, match=str(status)):
            await fetch(url)


async def test_an_endless_body_is_cut_off() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(4096))

    async with serving(endless) as url:
        with pytest.raises(TooLarge, match="10000 bytes"):
            await fetch(url)


async def test_a_declared_length_over_the_limit_is_refused_at_once() -> None:
    async with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nx") as url:
        with pytest.raises(TooLarge):
            await fetch(url)


async def test_a_decompression_bomb_is_not_decompressed() -> None:
    async def bomb(_: web.Request) -> web.Response:
        headers = {"Content-Encoding": "gzip"}
        return web.Response(body=gzip.compress(bytes(50 * 2**20)), headers=headers)

    async with serving(bomb) as url:
        with pytest.raises(UnreachableURL, match="encoding"):
            await fetch(url, max_bytes=2**30)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut off",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["nothing", "nonsense", "cut off", "negative", "chunks", "large header", "empty"],
)
async def test_a_malformed_response_is_unreachable(said: bytes) -> None:
    async with speaking(said) as url:
        with pytest.raises(UnreachableURL):
            await fetch(url)


async def test_slow_bodies_and_slow_headers_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + bytes(5000)
    async with speaking(slow, pause_s=0.02) as url:
        with pytest.raises(DeadlineExceeded):
            await fetch(url, within_s=0.5)


async def test_a_silent_server_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher_module, "_READ_TIMEOUT_S", 0.3)
    async with speaking(b"H", pause_s=30) as url:
        with pytest.raises(DeadlineExceeded):
            await fetch(url, within_s=20)


async def test_a_refused_connection_reveals_no_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnreachableURL) as caught:
        await fetch(f"http://127.0.0.1:{port}/")
    assert "127.0.0.1" not in caught.value.detail


async def test_neither_cookies_nor_proxies_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    seen: list[Any] = []

    async def cookies(request: web.Request) -> web.Response:
        seen.append((dict(request.cookies), request.headers.get("Authorization")))
        if len(seen) < 3:
            raise web.HTTPFound("/", headers={"Set-Cookie": "a=b"})
        return web.Response(body=b"x")

    async with serving(cookies) as url:
        await fetch(url)
    assert seen == [({}, None)] * 3


@pytest.mark.parametrize(
    ("addresses", "refused"),
    [
        (["127.0.0.1"], True),
        (["10.0.0.1", "169.254.169.254"], True),
        (["10.0.0.1", "93.184.216.34"], False),
        ([], False),
    ],
    ids=["loopback", "private and metadata", "one of them public", "unknown yet"],
)
async def test_a_url_for_later_is_resolved_now_if_possible(
    addresses: list[str], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_up(*_: Any, **__: Any) -> list[Any]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in addresses]

    monkeypatch.setattr(names, "look_up", look_up)
    fetcher = Fetcher(AddressPolicy(), 5)
    with pytest.raises(RefusedURL) if refused else contextlib.nullcontext():
        await fetcher.check_resolved("https://hooks.example/a")


@pytest.mark.parametrize("url", ["http://[::1]/", "http://169.254.169.254/", "http://xn--/", "x"])
async def test_a_url_for_later_with_a_refused_address_is_refused(url: str) -> None:
    with pytest.raises(RefusedURL):
        await Fetcher(AddressPolicy(), 5).check_resolved(url)
