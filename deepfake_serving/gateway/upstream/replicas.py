"""One replica of a model server: its address, health, load and models."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar, cast

import aiohttp

from deepfake_serving.contracts.models import ModelInfo
from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.upstream.config import PoolSpec
from deepfake_serving.runtime.serialization import from_plain
from deepfake_serving.runtime.tasks import first_of

T = TypeVar("T")

_TIMEOUT = aiohttp.ClientTimeout(total=3)
_MAX_LATE = 10
"""Late checks in a row, of 3 s each, after which a replica with requests in flight is unhealthy."""
_CONNECT_TIMEOUT_S, _CONNECT_ATTEMPTS = 1.0, 2
"""One lost packet delays a connection by a second (RFC 6298), so one attempt proves nothing."""
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT)


@dataclass(eq=False)
class Replica:
    """An address within a pool. `models` are those that its metadata lists."""

    pool: PoolSpec
    address: str
    healthy: bool = False
    checked: bool = False
    """Whether a check has ended."""
    in_flight: int = 0
    models: dict[str, ModelInfo] = field(default_factory=dict)
    tls_error: str | None = None
    """Why TLS failed in the last check; None: it did not."""
    _late: int = 0
    """Checks in a row without a response in time."""
    _vanished: bool = False
    _stalled: bool = False
    """Whether it is not ready and yet holds requests: it waits for a lost worker or TorchServe."""
    _checked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the end of a check, and replaced."""

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        scheme = "http" if self.pool.server_name is None else "https"
        return f"{scheme}://{host}:{self.pool.port}"

    @property
    def full(self) -> bool:
        return self.in_flight >= self.pool.max_in_flight

    def serves(self, model: str | None) -> bool:
        """Returns whether the replica is healthy and serves the model; None stands for any."""
        if not self.healthy:
            return False
        if model is None:
            return True
        return model in self.models and (not self.pool.models or model in self.pool.models)

    @contextmanager
    def track_request(self) -> Iterator[None]:
        """Counts a request as in flight."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    async def while_serving(self, work: Awaitable[T], has_other: Callable[[], bool]) -> T:
        """Awaits `work`, and cancels it when the replica is lost.

        A host without a network sends no reset, so `work` would wait until its deadline. A model
        server without a worker holds requests until it has one again, which is right only where
        there is no other replica.

        Args:
            has_other: whether another replica could do the work.

        Raises:
            UpstreamUnavailable: the host has vanished, or another replica could do the work.
        """
        first, result = await first_of(work, self._loss(has_other))
        if first == 1:
            raise UpstreamUnavailable(f"a model server was lost: {result}", retry_after_s=5)
        return cast("T", result)

    async def _loss(self, has_other: Callable[[], bool]) -> str:
        """Waits for a loss; returns what it is."""
        while True:
            if self._vanished:
                return "its host has vanished"
            if self._stalled and has_other():
                return "it has no worker"
            await self._checked.wait()

    async def check(self, session: aiohttp.ClientSession) -> None:
        """Updates the replica's health and models from its `/readyz` and `/`."""
        self._vanished = not await self._reachable()
        if self._vanished:
            self.healthy = False
        else:
            await self._update(session)
        self._checked.set()
        self._checked = asyncio.Event()

    async def _update(self, session: aiohttp.ClientSession) -> None:
        try:
            await self._ask(session)
        except TimeoutError:
            self._late += 1
            busy = self.healthy and self.in_flight > 0
            self.healthy = busy and self._late <= _MAX_LATE
        except Exception as error:  # whatever it responds, it is not healthy
            self.healthy, self.tls_error = False, _tls_error(error)

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        get = partial(session.get, timeout=_TIMEOUT, server_hostname=self.pool.server_name)
        async with get(f"{self.url}/readyz") as response:
            ready = response.status == 200
            self._stalled = not ready and await _holds_requests(response)
        if ready:
            async with get(f"{self.url}/") as response:
                document = await response.json()
            self.models = {m["name"]: from_plain(ModelInfo, m) for m in document["models"]}
        self.healthy, self._late, self.tls_error = ready, 0, None

    async def _reachable(self) -> bool:
        """Returns whether the host responds to connections; it may refuse them (RFC 9293).

        A process that is busy or stops is no reason to give up what is in flight there.
        """
        for _ in range(_CONNECT_ATTEMPTS):
            try:
                if await _connects(self.address, self.pool.port):
                    return True
            except OSError as error:
                if error.errno not in _UNREACHABLE:
                    return True
        return False


async def _connects(address: str, port: int) -> bool:
    """Returns whether the kernel connects in time, even if this process is late to see it.

    Raises:
        OSError: the host refuses, or is unreachable.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        error = probe.connect_ex((address, port))
        if error == errno.EINPROGRESS:
            await _writable(probe)
            error = probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        with suppress(OSError):
            probe.getpeername()
            return True
        return False


async def _writable(probe: socket.socket) -> None:
    """Waits for the end of an attempt to connect, as long as one may take."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(probe, ended.set)
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), _CONNECT_TIMEOUT_S)
    finally:
        loop.remove_writer(probe)


async def _holds_requests(response: aiohttp.ClientResponse) -> bool:
    """Returns whether a replica that is not ready neither starts nor ends, by its `/readyz`."""
    try:
        document = await response.json()
    except (aiohttp.ContentTypeError, ValueError):
        return False
    return isinstance(document, dict) and document.get("phase") == "serving"


def _tls_error(error: Exception) -> str | None:
    """Returns the reason of a failure of TLS, in OpenSSL's words; None for other failures."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, aiohttp.ClientError):
            reason = getattr(cause, "verify_message", "") or cause.reason or str(cause)
            return reason.lower().replace("_", " ")
        cause = cause.__cause__ or cause.__context__
    return None
