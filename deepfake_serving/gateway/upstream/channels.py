"""gRPC channels to replicas, kept open between calls."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio

from deepfake_serving.gateway.upstream.connections import GRPC_OPTIONS
from deepfake_serving.gateway.upstream.replicas import Replica
from deepfake_serving.runtime.tls.certificates import Certificates
from deepfake_serving.runtime.tls.files import Loaded
from deepfake_serving.runtime.tls.grpc_credentials import channel_credentials

_CALLS_END_S = 3600.0
"""The most that a request may last (`request_timeout_s`)."""


class Channels:
    """A channel per replica, with TLS where its pool's URL is `https://`."""

    def __init__(self, certificates: Certificates | None) -> None:
        self._certificates = certificates
        self._open: dict[tuple[str, str | None], tuple[Loaded | None, grpc.aio.Channel]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def to(self, replica: Replica) -> grpc.aio.Channel:
        """Returns the replica's channel: a new one once the certificates have changed."""
        host = f"[{replica.address}]" if ":" in replica.address else replica.address
        target, name = f"{host}:{replica.pool.grpc_port}", replica.pool.server_name
        loaded = self._certificates.current() if self._certificates and name else None
        used, channel = self._open.get((target, name), (None, None))
        if channel is None or used is not loaded:
            if channel is not None:
                self._close_after_calls(channel)
            channel = _channel(target, name, loaded)
            self._open[target, name] = loaded, channel
        return channel

    async def close(self) -> None:
        """Closes all channels."""
        for _, channel in self._open.values():
            await channel.close(None)
        for closing in self._closing:
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _close_after_calls(self, channel: grpc.aio.Channel) -> None:
        closing = asyncio.create_task(channel.close(_CALLS_END_S))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


def _channel(target: str, name: str | None, loaded: Loaded | None) -> grpc.aio.Channel:
    if loaded is None:
        return grpc.aio.insecure_channel(target, options=GRPC_OPTIONS)
    options = [*GRPC_OPTIONS, ("grpc.ssl_target_name_override", name)]
    return grpc.aio.secure_channel(target, channel_credentials(loaded), options=options)
