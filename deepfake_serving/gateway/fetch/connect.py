"""TCP and TLS connections other than HTTP, under the same address policy."""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio import StreamReader, StreamWriter

from deepfake_serving.contracts.problems import DeadlineExceeded, RefusedURL, UnreachableURL
from deepfake_serving.gateway.fetch import names
from deepfake_serving.gateway.fetch.address_policy import NOT_PUBLIC, AddressPolicy

_CONNECT_S = 10
_PER_ADDRESS_S = 4


async def open_connection(
    policy: AddressPolicy, host: str, port: int, *, tls: bool
) -> tuple[StreamReader, StreamWriter]:
    """Connects to a host, which is resolved once: the address that is checked is the one used.

    Raises:
        RefusedURL: the policy forbids one of its addresses.
        UnreachableURL, DeadlineExceeded
    """
    try:
        async with asyncio.timeout(_CONNECT_S):
            addresses = await _resolve(host, port)
            if not all(policy.allows(address[0]) for _, address in addresses):
                raise RefusedURL(f"the URL {NOT_PUBLIC}")
            connected = await _connect_first(addresses)
            context = ssl.create_default_context() if tls else None
            name = host if tls else None
            return await asyncio.open_connection(sock=connected, ssl=context, server_hostname=name)
    except TimeoutError:
        raise DeadlineExceeded("connecting to the source timed out") from None
    except ssl.SSLError as error:
        raise UnreachableURL("the source's certificate is not trusted") from error
    except OSError as error:
        raise UnreachableURL("the source's host does not respond") from error


async def _resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    try:
        found = await names.look_up(host, port)
    except (socket.gaierror, UnicodeError) as error:
        raise UnreachableURL("the source's host is unknown") from error
    return [(family, (str(address[0]), port)) for family, _, _, _, address in found]


async def _connect_first(
    addresses: list[tuple[socket.AddressFamily, tuple[str, int]]],
) -> socket.socket:
    """Returns a connection to the first address that accepts one.

    Raises:
        OSError: that of the last address.
    """
    loop = asyncio.get_running_loop()
    failure: OSError = OSError("no address")
    for family, address in addresses:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(_PER_ADDRESS_S):
                await loop.sock_connect(connection, address)
        except OSError as error:  # TimeoutError is one
            connection.close()
            failure = error
            continue
        except BaseException:
            connection.close()
            raise
        return connection
    raise failure
