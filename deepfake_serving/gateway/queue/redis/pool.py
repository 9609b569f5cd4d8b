"""Connections to a Redis server, or to whichever server is the primary now.

All keys are in one slot of a cluster, so a cluster is one server at a time, as a primary with
Sentinels is. redis-py's clients find it: `Sentinel`, and `RedisCluster` by the slot. A connection
that learns that its server is no longer the primary is closed, and opened to the new one.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import ConnectionPool, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    MasterNotFoundError,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from deepfake_serving.gateway.queue.redis.url import Replicated, parse_replicated

TAG = "{deepfake}"
"""The hash tag of all keys."""
_TIMEOUT_S = 1.0


def open_pool(url: str, **options: Any) -> ConnectionPool:
    """Returns a pool of connections to the server, or to the primary, of a URL.

    Args:
        options: of redis-py's connections, which those of the URL override.

    Raises:
        ValueError: the URL can't be read.
    """
    replicated = parse_replicated(url)
    if replicated is None:
        return _single_pool(url, options)
    own: dict[str, Any] = dict(parse_url(replicated.server_url))
    own.pop("connection_class", None)
    kind = _TLSConnection if replicated.tls else _Connection
    finder, name = _finder(replicated, own)
    primary_pool: Any = _PrimaryPool  # its base class has no types
    pool: ConnectionPool = primary_pool(name, finder, connection_class=kind, **options | own)
    return pool


def _single_pool(url: str, options: dict[str, Any]) -> ConnectionPool:
    own: dict[str, Any] = dict(parse_url(url))
    kind = own.pop("connection_class", Connection)
    kind = {Connection: _Single, SSLConnection: _SingleTLS}.get(kind, kind)
    return ConnectionPool(connection_class=kind, **options | own)


def _finder(replicated: Replicated, options: dict[str, Any]) -> tuple[Any, str]:
    """Returns what finds the primary, and the name by which it knows it."""
    common: dict[str, Any] = {"socket_timeout": _TIMEOUT_S, "socket_connect_timeout": _TIMEOUT_S}
    common |= {"ssl": True} if replicated.tls else {}
    common |= {name: value for name, value in options.items() if name.startswith("ssl_")}
    if replicated.kind == "cluster":
        common |= {name: options[name] for name in ("username", "password") if name in options}
        return _ClusterSlot(replicated.nodes, common), TAG
    common |= {"retry": Retry(NoBackoff(), 0)}  # the next Sentinel is asked instead
    common |= replicated.sentinel_options or {}
    sentinel: Any = Sentinel  # it has no types
    return sentinel(list(replicated.nodes), sentinel_kwargs=common), replicated.service


class _ClusterSlot:
    """Finds the primary of a key's slot, by the interface of `Sentinel`."""

    def __init__(self, nodes: tuple[tuple[str, int], ...], options: dict[str, Any]) -> None:
        startup = [ClusterNode(host, port) for host, port in nodes]
        self._cluster = RedisCluster(startup_nodes=startup, require_full_coverage=False, **options)

    async def discover_master(self, key: str) -> tuple[str, int]:
        """Returns the host and port of the primary, from the first node that responds.

        Raises:
            MasterNotFoundError
        """
        try:
            await self._cluster.nodes_manager.initialize()
            node = self._cluster.get_node_from_key(key)
        except (RedisError, RedisClusterException) as error:
            raise MasterNotFoundError(f"no primary of the slot of {key}") from error
        if node is None:
            raise MasterNotFoundError(f"no primary of the slot of {key}")
        return node.host, int(node.port)

    async def aclose(self) -> None:
        for nodes in ("nodes_cache", "startup_nodes"):
            await self._cluster.nodes_manager.aclose(nodes)


class _PrimaryPool(SentinelConnectionPool):
    """Connections to the primary, closed together with those that find it."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


class _Primary(SentinelManagedConnection):
    """A connection to the primary, which is looked up whenever it is opened.

    redis-py does so for new connections only, and would open one that failed in a transaction to
    the former primary again, forever.
    """

    async def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        if not self.is_connected:
            self.host, self.port = await self.connection_pool.get_master_address()
        await super().connect_check_health(*args, **kwargs)

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Closes the connection if a cluster's server has lost the slot, or the cluster."""
        try:
            return await super().read_response(*args, **kwargs)
        except (AskError, ClusterDownError) as error:  # AskError includes MovedError
            await self.disconnect()
            raise RedisConnectionError(f"the primary has changed: {error}") from error


class _Connection(_Primary):
    """Without TLS."""


class _TLSConnection(_Primary, SentinelManagedSSLConnection):
    """With TLS."""


class _Single(Connection):
    """A connection to one address, behind which a proxy or a DNS name may change the server.

    One that was demoted keeps its connections, and refuses writes for as long as they are used. So
    the next use of such a connection opens it again.
    """

    demoted = False

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)
        except ReadOnlyError:
            self.demoted = True
            raise

    async def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        if self.demoted:
            await self.disconnect()
            self.demoted = False
        await super().connect_check_health(*args, **kwargs)


class _SingleTLS(_Single, SSLConnection):
    """With TLS."""
