"""Connections that are no HTTP: to checked addresses, as those of URLs are."""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio import StreamReader, StreamWriter

from deepfake_serving.contracts.problems import DeadlineExceeded, RefusedURL, UnreachableURL
from deepfake_serving.gateway.fetch.address_policy import AddressPolicy

_CONNECT_S = 10
_PER_ADDRESS_S = 4


async def dial(
    reach: AddressPolicy, host: str, port: int, *, tls: bool
) -> tuple[StreamReader, StreamWriter]:
    """A connection to a name or address, looked up once: what is checked is what is connected to.

    Raises:
        RefusedURL: one of its addresses may not be reached.
        UnreachableURL, DeadlineExceeded
    """
    try:
        async with asyncio.timeout(_CONNECT_S):
            found = await _addresses(host, port)
            if not all(reach.allows(address[0]) for _, address in found):
                raise RefusedURL("the URL leads to an address that is not public")
            connected = await _first(found)
            context = ssl.create_default_context() if tls else None
            name = host if tls else None
            return await asyncio.open_connection(sock=connected, ssl=context, server_hostname=name)
    except TimeoutError:
        raise DeadlineExceeded("the source was not connected to in time") from None
    except ssl.SSLError as error:
        raise UnreachableURL("the source's certificate is not trusted") from error
    except OSError as error:
        raise UnreachableURL("the source's host does not answer") from error


async def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise UnreachableURL("the source's host is not known") from error
    return [(family, (str(address[0]), port)) for family, _, _, _, address in found]


async def _first(
    addresses: list[tuple[socket.AddressFamily, tuple[str, int]]],
) -> socket.socket:
    """The first that answers.

    Raises:
        OSError: what the last one said.
    """
    loop = asyncio.get_running_loop()
    refused: OSError = OSError("no address")
    for family, address in addresses:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setblocking(False)
        try:
            async with asyncio.timeout(_PER_ADDRESS_S):
                await loop.sock_connect(made, address)
        except OSError as error:  # TimeoutError is one
            made.close()
            refused = error
            continue
        except BaseException:
            made.close()
            raise
        return made
    raise refused
