"""The client that fetches media by URL, protected against server-side request forgery (SSRF).

Every connection's address is checked when it is opened. So it does not matter how the URL got
there: by spelling, host name, redirect, or a name server that changes its response (rebinding).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    Problem,
    RefusedURL,
    TooLarge,
    UnreachableURL,
)
from deepfake_serving.gateway.fetch import names
from deepfake_serving.gateway.fetch.address_policy import NOT_PUBLIC, AddressPolicy
from deepfake_serving.gateway.fetch.urls import parse_url
from deepfake_serving.gateway.settings import Settings, SettingsError
from deepfake_serving.gateway.storage.spool import write_problem

_MAX_REDIRECTS = 5
_READ_TIMEOUT_S = 15
_CONNECT_TIMEOUT_S = 10
_RESOLVE_TIMEOUT_S = 2
MAX_URL = 4096
_FIRST_UNPRIVILEGED_PORT = 1024
"""Below are SMTP, SSH and other services that must not receive a client's bytes."""
WEB: Mapping[str, int] = {"http": 80, "https": 443}
"""Schemes that are fetched, and their default ports."""
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "deepfake-serving"}
_PLAIN_CODINGS = ("", "identity", "aws-chunked")
"""Content codings that leave the bytes as they are. S3 stores `aws-chunked`, a coding of the upload
alone, and repeats it in downloads; some servers send an empty one."""


class Fetcher:
    """Fetches media over HTTP and HTTPS."""

    def __init__(self, policy: AddressPolicy, timeout_s: float) -> None:
        """`timeout_s` limits a whole fetch, including redirects."""
        self.policy, self.timeout_s = policy, timeout_s

    def check(self, url: str, schemes: Mapping[str, int] = WEB) -> URL:
        """Parses a URL and checks it, as far as the URL alone shows.

        Args:
            schemes: the permitted ones, with their default ports.

        Raises:
            RefusedURL: another scheme, a port of other services, a user or password, too long.
        """
        if len(url) > MAX_URL:
            raise RefusedURL(f"the URL has more than {MAX_URL} characters")
        try:
            parsed = parse_url(url)
            port = parsed.explicit_port  # raises if it is invalid
        except ValueError as error:
            raise RefusedURL("the URL can't be parsed") from error
        if parsed.scheme not in schemes or not parsed.host:
            raise RefusedURL(f"only {' and '.join(f'{each}://' for each in schemes)} are fetched")
        if port is not None and port < _FIRST_UNPRIVILEGED_PORT and port not in schemes.values():
            usual = ", ".join(map(str, schemes.values()))
            raise RefusedURL(
                f"only the ports {usual} and from {_FIRST_UNPRIVILEGED_PORT} up are fetched from"
            )
        if parsed.user or parsed.password:
            raise RefusedURL("a URL with a user or a password is not fetched")
        return parsed

    async def check_resolved(self, url: str) -> None:
        """Checks a URL that is used later, as far as it can be resolved now.

        It is checked again when it is used: its address may have changed.

        Raises:
            RefusedURL: as `check`, or none of the host's addresses may be connected to.
        """
        host = self.check(url).raw_host or ""
        try:
            async with asyncio.timeout(_RESOLVE_TIMEOUT_S):
                found = await names.look_up(host, 0)
        except (OSError, UnicodeError):  # TimeoutError is an OSError
            return
        if not any(self.policy.allows(str(address[0])) for *_, address in found):
            raise RefusedURL(f"the URL {NOT_PUBLIC}")

    async def fetch(self, url: str, write: Callable[[bytes], object], max_bytes: int) -> URL:
        """Passes the media to `write` in chunks, target redirects; returns the final URL.

        Raises:
            RefusedURL, UnreachableURL, TooLarge, DeadlineExceeded
        """
        try:
            async with asyncio.timeout(self.timeout_s), self.session() as session:
                return await self._follow_redirects(session, self.check(url), write, max_bytes)
        except TimeoutError:
            limit = f"{self.timeout_s:g} s, or {_READ_TIMEOUT_S} s without data"
            raise DeadlineExceeded(f"the URL took longer than the limit of {limit}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _as_problem(error) from error

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Opens a client whose connections are checked; it keeps no cookies and uses no proxies."""
        connector = aiohttp.TCPConnector(
            resolver=names.Resolver(),
            socket_factory=self._socket,
            use_dns_cache=False,
            force_close=True,
        )
        timeout = aiohttp.ClientTimeout(
            total=self.timeout_s, sock_connect=_CONNECT_TIMEOUT_S, sock_read=_READ_TIMEOUT_S
        )
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            headers=_HEADERS,
        ) as session:
            yield session

    async def _follow_redirects(
        self,
        session: aiohttp.ClientSession,
        url: URL,
        write: Callable[[bytes], object],
        max_bytes: int,
    ) -> URL:
        for _ in range(_MAX_REDIRECTS + 1):
            async with session.get(url, allow_redirects=False) as response:
                if response.status in (301, 302, 303, 307, 308):
                    url = self.resolve(url, response.headers.get("Location", ""))
                    continue
                if response.status != 200:
                    raise UnreachableURL(f"the URL responded with status {response.status}")
                _check_coding(response)
                await _copy(response, write, max_bytes)
                return url
        raise UnreachableURL(f"the URL redirects more than {_MAX_REDIRECTS} times")

    def resolve(self, url: URL, location: str) -> URL:
        """Resolves a reference against a URL: a redirect's location, or an entry of a playlist.

        Raises:
            RefusedURL, UnreachableURL
        """
        if not location:
            raise UnreachableURL("the URL redirects to an empty location")
        try:
            target = self.check(urljoin(str(url), location))
        except ValueError as error:
            raise RefusedURL("the URL leads to one that can't be parsed") from error
        if url.scheme == "https" and target.scheme != "https":
            raise RefusedURL("the URL leads from https to http")
        return target

    def _socket(self, address: Any) -> socket.socket:
        """Creates the socket of a connection; every connection passes through here."""
        family, kind, protocol, _, remote = address
        if not self.policy.allows(remote[0]):
            raise _AddressRefused
        created = socket.socket(family, kind, protocol)
        created.setblocking(False)
        return created


class _AddressRefused(OSError):
    """The policy forbids the address. Which one it is stays secret."""


def _check_coding(response: aiohttp.ClientResponse) -> None:
    """
    Raises:
        UnreachableURL: the body is compressed, although only `identity` was requested.
    """
    for coding in ",".join(response.headers.getall("Content-Encoding", [])).split(","):
        if coding.strip().lower() not in _PLAIN_CODINGS:
            raise UnreachableURL(
                f"the URL responded with the content encoding {coding.strip()[:40]!r}, "
                "which was not requested"
            )


async def _copy(
    response: aiohttp.ClientResponse, write: Callable[[bytes], object], max_bytes: int
) -> None:
    """Copies the body; the limit counts received bytes, whatever Content-Length says."""
    size = 0
    declared = response.content_length or 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if max(size, declared) > max_bytes:
            raise TooLarge(f"the file is larger than the limit of {max_bytes} bytes")
        try:
            write(chunk)
        except OSError as error:
            raise write_problem(error) from error
    if not size:
        raise UnreachableURL("the URL responded with an empty body")


def _as_problem(error: BaseException) -> Problem:
    """Maps an error to a problem that reveals nothing about the service's network."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _AddressRefused):
            return RefusedURL(f"the URL {NOT_PUBLIC}")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return UnreachableURL("the URL's certificate is not trusted")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return UnreachableURL("the URL's host is unknown")
    if isinstance(error, aiohttp.ClientConnectorError):
        return UnreachableURL("the URL's host does not respond")
    return UnreachableURL("the URL's response can't be parsed")


def open_fetcher(settings: Settings) -> Fetcher | None:
    """Builds the fetcher that the settings describe; None where URLs are not fetched.

    Raises:
        SettingsError: `fetch_private` has a malformed network.
    """
    try:
        policy = AddressPolicy(settings.fetch_private)
    except ValueError as error:
        raise SettingsError(f"fetch_private: {error}") from error
    return Fetcher(policy, settings.fetch_timeout_s) if settings.fetch_urls else None
