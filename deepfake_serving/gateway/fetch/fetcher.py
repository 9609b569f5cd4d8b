"""Media that are named by their URL, fetched so that nobody reaches through us what they can't.

Every connection goes to an address that was checked at the moment of connecting: by whatever
spelling, name, redirect or change of mind of a name server it was come to.
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
from deepfake_serving.gateway.fetch.address_policy import AddressPolicy
from deepfake_serving.gateway.settings import Settings, SettingsError
from deepfake_serving.gateway.storage.spool import unwritten

_HOPS = 5
_SILENCE_S = 15
_CONNECT_S = 10
_LONGEST_URL = 4096
_PRIVILEGED = 1024
"""Below are mail, SSH and the like, which must not be spoken to in a caller's words."""
WEB: Mapping[str, int] = {"http": 80, "https": 443}
"""Schemes that are fetched, and their ports."""
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "deepfake-serving"}


class Fetcher:
    """Brings media from elsewhere."""

    def __init__(self, reach: AddressPolicy, timeout_s: float) -> None:
        """`timeout_s` bounds a whole fetch, redirects and all."""
        self.reach, self.timeout_s = reach, timeout_s

    def check(self, url: str, schemes: Mapping[str, int] = WEB) -> URL:
        """The URL, as far as it alone can tell.

        Args:
            schemes: those that it may have, with their ports.

        Raises:
            RefusedURL: another scheme, a port of other services, a user or password, too long.
        """
        if len(url) > _LONGEST_URL:
            raise RefusedURL(f"the URL has more than {_LONGEST_URL} characters")
        try:
            parsed = URL(url)
            port = parsed.explicit_port  # raises where it is none
        except ValueError as error:
            raise RefusedURL("the URL can't be read") from error
        if parsed.scheme not in schemes or not parsed.host:
            raise RefusedURL(f"only {' and '.join(f'{each}://' for each in schemes)} are fetched")
        if port is not None and port < _PRIVILEGED and port not in schemes.values():
            usual = ", ".join(map(str, schemes.values()))
            raise RefusedURL(f"only the ports {usual} and from {_PRIVILEGED} up are fetched from")
        if parsed.user or parsed.password:
            raise RefusedURL("a URL with a user or a password is not fetched")
        return parsed

    async def fetch(self, url: str, write: Callable[[bytes], object], most_bytes: int) -> URL:
        """Hands over the medium piece by piece, following redirects; returns where it was found.

        Raises:
            RefusedURL, UnreachableURL, TooLarge, DeadlineExceeded
        """
        try:
            async with asyncio.timeout(self.timeout_s), self.session() as session:
                return await self._follow(session, self.check(url), write, most_bytes)
        except TimeoutError:
            bound = f"{self.timeout_s:g} s, or {_SILENCE_S} s of silence"
            raise DeadlineExceeded(f"the URL took longer than the bound of {bound}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _told(error) from error

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A client whose connections are checked; it keeps no cookies and knows no proxies."""
        connector = aiohttp.TCPConnector(
            socket_factory=self._socket, use_dns_cache=False, force_close=True
        )
        timeout = aiohttp.ClientTimeout(
            total=self.timeout_s, sock_connect=_CONNECT_S, sock_read=_SILENCE_S
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

    async def _follow(
        self,
        session: aiohttp.ClientSession,
        url: URL,
        write: Callable[[bytes], object],
        most_bytes: int,
    ) -> URL:
        for _ in range(_HOPS + 1):
            async with session.get(url, allow_redirects=False) as answer:
                if answer.status in (301, 302, 303, 307, 308):
                    url = self.lead(url, answer.headers.get("Location", ""))
                    continue
                if answer.status != 200:
                    raise UnreachableURL(f"the URL was answered with {answer.status}")
                if answer.headers.get("Content-Encoding", "identity") != "identity":
                    raise UnreachableURL("the URL was answered in an encoding not asked for")
                await _copy(answer, write, most_bytes)
                return url
        raise UnreachableURL(f"the URL redirects more than {_HOPS} times")

    def lead(self, url: URL, location: str) -> URL:
        """Where a URL leads: by a redirect, or by what a playlist says.

        Raises:
            RefusedURL, UnreachableURL
        """
        if not location:
            raise UnreachableURL("the URL leads nowhere")
        try:
            following = self.check(urljoin(str(url), location))
        except ValueError as error:
            raise RefusedURL("the URL leads to what can't be read") from error
        if url.scheme == "https" and following.scheme != "https":
            raise RefusedURL("the URL leads from https to http")
        return following

    def _socket(self, address: Any) -> socket.socket:
        """The one place that every connection comes through."""
        family, kind, protocol, _, where = address
        if not self.reach.allows(where[0]):
            raise _Refused
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


class _Refused(OSError):
    """An address that is not connected to; which it was is nobody's business."""


async def _copy(
    answer: aiohttp.ClientResponse, write: Callable[[bytes], object], most_bytes: int
) -> None:
    """Bounded by what comes, whatever was announced."""
    size = 0
    announced = answer.content_length or 0
    async for piece in answer.content.iter_any():
        size += len(piece)
        if max(size, announced) > most_bytes:
            raise TooLarge(f"the medium is larger than the bound of {most_bytes} bytes")
        try:
            write(piece)
        except OSError as error:
            raise unwritten(error) from error
    if not size:
        raise UnreachableURL("the URL was answered with nothing")


def _told(error: BaseException) -> Problem:
    """In words that say nothing of the network that we are in."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, _Refused):
            return RefusedURL("the URL leads to an address that is not public")
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return UnreachableURL("the URL's certificate is not trusted")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return UnreachableURL("the URL's host is not known")
    if isinstance(error, aiohttp.ClientConnectorError):
        return UnreachableURL("the URL's host does not answer")
    return UnreachableURL("the URL was answered in a way that can't be read")


def open_fetcher(settings: Settings) -> Fetcher | None:
    """None where media are not fetched.

    Raises:
        SettingsError: `fetch_private` names a network that can't be.
    """
    try:
        reach = AddressPolicy(settings.fetch_private)
    except ValueError as error:
        raise SettingsError(f"fetch_private: {error}") from error
    return Fetcher(reach, settings.fetch_timeout_s) if settings.fetch_urls else None
