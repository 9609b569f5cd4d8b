"""URLs over TLS, DNS rebinding, spellings of loopback addresses, endless responses.

Names under `.test` are looked up in a table; no name server is queried. All servers are real and
listen on loopback, which most tests allow explicitly.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp.connector
import pytest
import trustme
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    Problem,
    RefusedURL,
    StorageFull,
    UnreachableURL,
)
from deepfake_serving.gateway.fetch.address_policy import AddressPolicy
from deepfake_serving.gateway.fetch.fetcher import Fetcher

LOOPBACK = AddressPolicy(["127.0.0.1/32"])
Names = dict[str, list[str]]
"""Successive DNS responses for a name; the last one is repeated."""


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    table: Names = {}
    _look_up_in(table, monkeypatch)
    return table


def _look_up_in(table: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(host: str, port: int, **_: Any) -> list[Any]:
        responses = table.get(host)
        if responses is None:  # libc parses numeric addresses in any spelling without a DNS query
            return socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        response = responses.pop(0) if len(responses) > 1 else responses[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in response.split()]

    monkeypatch.setattr("deepfake_serving.gateway.fetch.names.look_up", look_up)


@asynccontextmanager
async def serving(
    handler: Callable[[web.BaseRequest], Any], tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Runs a server with one handler for all paths; yields its port."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def repeating(first: bytes, again: bytes) -> AsyncIterator[int]:
    """Runs a server that sends `first`, then `again` endlessly; yields its port."""
    tasks: list[asyncio.Task[Any] | None] = []

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(first)
            while True:
                writer.write(again)
                await writer.drain()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)


async def fetch(url: str, policy: AddressPolicy = LOOPBACK, within_s: float = 10) -> bytes:
    received = bytearray()
    await Fetcher(policy, within_s).fetch(url, received.extend, 10_000)
    return bytes(received)


async def hello(_: web.BaseRequest) -> web.Response:
    return web.Response(body=b"hello")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces aiohttp's SSL context, which is created at import, too early for SSL_CERT_FILE."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", context)


def tls_for(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.usefixtures("trusted")
async def test_the_certificate_is_verified_for_the_host_name_not_the_address(
    authority: trustme.CA, names: Names
) -> None:
    names["media.test"] = ["127.0.0.1"]
    requests: list[str | None] = []
    context = tls_for(authority, "media.test")
    context.sni_callback = lambda _, name, __: requests.append(name)  # type: ignore[assignment]
    async with serving(hello, context) as port:
        assert await fetch(f"https://media.test:{port}/") == b"hello"
    assert requests == ["media.test"]


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_for_another_name_is_not_trusted(
    authority: trustme.CA, names: Names
) -> None:
    names["media.test"] = ["127.0.0.1"]
    async with serving(hello, tls_for(authority, "other.test")) as port:
        with pytest.raises(UnreachableURL, match="certificate"):
            await fetch(f"https://media.test:{port}/")


async def test_a_certificate_from_an_unknown_authority_is_not_trusted(
    authority: trustme.CA, names: Names
) -> None:
    names["media.test"] = ["127.0.0.1"]
    async with serving(hello, tls_for(authority, "media.test")) as port:
        with pytest.raises(UnreachableURL, match="certificate"):
            await fetch(f"https://media.test:{port}/")


@pytest.mark.usefixtures("trusted")
async def test_a_redirect_from_https_to_http_is_refused_before_the_request(
    authority: trustme.CA, names: Names
) -> None:
    names["media.test"] = ["127.0.0.1"]
    requests: list[str] = []

    async def note(request: web.BaseRequest) -> web.Response:
        requests.append(request.path)
        return web.Response(body=b"plain")

    async def downgrade(_: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": f"http://media.test:{plain}/"})

    async with (
        serving(note) as plain,
        serving(downgrade, tls_for(authority, "media.test")) as port,
    ):
        with pytest.raises(RefusedURL, match="https to http"):
            await fetch(f"https://media.test:{port}/")
    assert requests == []


async def test_a_name_is_resolved_and_checked_again_at_every_redirect(names: Names) -> None:
    names["media.test"] = ["127.0.0.1", "10.0.0.1"]
    requests: list[str] = []

    async def again(request: web.BaseRequest) -> web.Response:
        requests.append(request.path)
        return web.Response(status=307, headers={"Location": "/again"})

    async with serving(again) as port:
        with pytest.raises(RefusedURL) as caught:
            await fetch(f"http://media.test:{port}/first")
    assert requests == ["/first"]
    assert "10.0.0.1" not in caught.value.detail


@pytest.mark.parametrize("records", ["10.0.0.1 192.168.0.1", "127.0.0.2 10.0.0.1"])
async def test_a_name_with_several_private_addresses_is_refused(names: Names, records: str) -> None:
    names["media.test"] = [records]
    with pytest.raises(RefusedURL):
        await fetch("http://media.test/")


async def test_only_the_allowed_ones_of_several_addresses_are_connected_to(names: Names) -> None:
    requests: list[str] = []

    async def note(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        requests.append(request.transport.get_extra_info("sockname")[0])
        return web.Response(body=b"hello")

    async with serving(note) as port:
        names["media.test"] = ["127.0.0.2 127.0.0.1"]
        assert await fetch(f"http://media.test:{port}/") == b"hello"
    assert requests == ["127.0.0.1"]


@pytest.mark.parametrize("redirects", [5, 6])
async def test_at_most_five_redirects_are_followed(redirects: int) -> None:
    async def count(request: web.BaseRequest) -> web.Response:
        completed = int(request.path[1:])
        if completed == redirects:
            return web.Response(body=b"hello")
        return web.Response(status=303, headers={"Location": f"/{completed + 1}"})

    async with serving(count) as port:
        if redirects == 5:
            assert await fetch(f"http://127.0.0.1:{port}/0") == b"hello"
        else:
            with pytest.raises(UnreachableURL, match="more than 5 times"):
                await fetch(f"http://127.0.0.1:{port}/0")


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\nA: ", b"a" * 9000),
        (b"HTTP/1.1 200 ", b"a" * 9000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 1000),
    ],
    ids=["headers", "one header", "status line", "trailers"],
)
async def test_endless_headers_are_cut_off_by_size(first: bytes, again: bytes) -> None:
    async with repeating(first, again) as port:
        with pytest.raises(UnreachableURL):
            await fetch(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 9000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 9000),
    ],
    ids=["early hints", "chunk extension", "chunk size"],
)
async def test_an_endless_response_is_cut_off_by_time(first: bytes, again: bytes) -> None:
    async with repeating(first, again) as port:
        with pytest.raises((DeadlineExceeded, UnreachableURL)):
            await fetch(f"http://127.0.0.1:{port}/", within_s=0.5)


async def test_a_connection_that_is_reset_is_unreachable() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nabc")
        await writer.drain()
        linger = struct.pack("ii", 1, 0)  # closing with data unsent: RST in place of FIN
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    async with server:
        with pytest.raises(UnreachableURL):
            await fetch(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


_DIGITS = st.sampled_from(["0123456789", "０１２３４５６７８９", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗"])
_DOTS = st.sampled_from([".", "。", "．"])
_NUMBER = st.sampled_from(["{}", "{:#x}", "0{:o}", "0x{:08x}", "000{:o}"])


@st.composite
def spelled(draw: st.DrawFn) -> str:
    """Generates spellings of 127.0.0.1 that inet_aton(3) and Unicode permit, with decoration."""
    parts = draw(st.sampled_from([(2130706433,), (127, 1), (127, 0, 1), (127, 0, 0, 1)]))
    digits, dot = draw(_DIGITS), draw(_DOTS)
    plain = dot.join(draw(_NUMBER).format(part) for part in parts)
    host = "".join(digits[int(c)] if c in "0123456789" else c for c in plain)
    mapped = st.sampled_from(
        ["[::ffff:127.0.0.1]", "[::127.0.0.1]", "[::1]", "[0:0:0:0:0:ffff:7f00:1]", "[::1%25lo]"]
    )
    host = draw(st.one_of(st.just(host), mapped)) + draw(st.sampled_from(["", ".", "%00", "%2e"]))
    before = draw(st.sampled_from(["", "media.test@", "media.test\\@", "media.test#@", "\t"]))
    return before + host


@given(host=spelled())
def test_no_spelling_of_loopback_is_connected_to(runner: asyncio.Runner, host: str) -> None:
    async def attempt() -> None:
        accepted: list[Any] = []
        server = await asyncio.start_server(lambda *them: accepted.append(them), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.MonkeyPatch.context() as monkeypatch:
            _look_up_in({}, monkeypatch)
            async with server:
                with pytest.raises(Problem) as caught:
                    await fetch(f"http://{host}:{port}/", AddressPolicy(), within_s=1)
        assert isinstance(caught.value, RefusedURL | UnreachableURL)
        assert accepted == []

    runner.run(attempt())


async def test_sessions_for_other_uses_follow_the_address_policy(names: Names) -> None:
    names["hook.test"] = ["10.0.0.1"]
    async with Fetcher(AddressPolicy(), 5).session() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.post("http://hook.test/")


@pytest.mark.parametrize("port", [1, 22, 25, 443 + 1, 1023])
def test_ports_of_other_services_are_refused(port: int) -> None:
    with pytest.raises(RefusedURL, match="1024"):
        Fetcher(AddressPolicy(), 5).check(f"http://media.test:{port}/")


@pytest.mark.parametrize("url", ["http://a.test/", "https://a.test/", "http://a.test:8080/"])
def test_usual_ports_are_allowed(url: str) -> None:
    assert Fetcher(AddressPolicy(), 5).check(url).host == "a.test"


async def test_a_full_disk_is_not_reported_as_a_url_problem() -> None:
    def full(_: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with serving(hello) as port:
        with pytest.raises(StorageFull):
            await Fetcher(LOOPBACK, 5).fetch(f"http://127.0.0.1:{port}/", full, 10_000)
