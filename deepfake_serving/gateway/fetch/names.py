"""Lookups of host names that clients give, apart from those of the service's own servers.

uvloop looks names up in four threads, and a lookup can't be cancelled: where a name server is
silent, it takes tens of seconds. A few such names would leave none for model servers and the job
store. So names of clients have threads of their own, half of them at most for one API key.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Sequence
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from deepfake_serving.gateway.queue.turns import Turns, current_key

_slots = Turns(64, share=32)
"""Lookups at once, and of one API key; one that nobody waits for any more keeps its slot until it
ends."""

Addresses = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]]


async def look_up(host: str, port: int, *, family: int = 0, flags: int = 0) -> Addresses:
    """Returns the addresses of a host as getaddrinfo(3) does, for TCP.

    Raises:
        OSError, UnicodeError
    """
    key = current_key.get()
    await _slots.acquire(key)
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Addresses] = loop.create_future()

    def end(addresses: Addresses, error: Exception | None) -> None:
        _slots.release(key)
        if found.done():  # cancelled
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def work() -> None:
        addresses: Addresses = ()
        failure: Exception | None = None
        try:
            addresses = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, flags)
        except (OSError, UnicodeError) as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(end, addresses, failure)

    try:
        threading.Thread(target=work, name="look-up", daemon=True).start()
    except RuntimeError as error:
        _slots.release(key)
        raise OSError(errno.EAGAIN, "no thread can be started") from error
    return await found


class Resolver(AbstractResolver):
    """Resolves the hosts of aiohttp's connections."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Returns the addresses of a host.

        Raises:
            OSError
        """
        found = await look_up(host, port, family=family, flags=socket.AI_ADDRCONFIG)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Does nothing: there is nothing to close."""
