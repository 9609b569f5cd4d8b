"""The value of the setting `routing`: the pools of model servers and how requests choose one."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_PORTS = {"http": 80, "https": 443}


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PoolSpec(_Spec):
    """A pool of replicas of one kind.

    The host in `url` is resolved every few seconds, and every address behind it is a replica (in
    Kubernetes, a headless Service). Of the pools that serve a model, those of the lowest `priority`
    get its requests, divided by `weight`; the next ones only when these are full or down.
    """

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    url: str
    grpc_port: Annotated[int, Field(ge=1, le=65535)] = 8081
    """The gRPC port of the same replicas, for the Open Inference Protocol."""
    models: tuple[str, ...] = ()
    """The models that the pool is used for; empty: all that its replicas serve."""
    priority: Annotated[int, Field(ge=0, le=1000)] = 0
    weight: Annotated[int, Field(ge=0, le=1000)] = 100
    """0 takes the pool out: its requests are not even retried there, as long as others serve."""
    max_in_flight: Annotated[int, Field(ge=1, le=100_000)] = 32
    """Concurrent requests of one replica; beyond it the next pool is used."""
    shadow: Annotated[float, Field(ge=0, le=1)] | None = None
    """The share of images of which the pool gets a copy. Such a pool serves no client."""

    may_be_empty: bool = False
    """Whether the pool may have no replica, as one that scales to zero: jobs wait for one."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("the URL of a model server is http://host:port or https://host:port")
        parts.hostname.encode("idna")  # raises UnicodeError, a ValueError, as a lookup would
        return value.rstrip("/")

    @property
    def host(self) -> str:
        return str(urlsplit(self.url).hostname)

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or _PORTS[parts.scheme]

    @property
    def server_name(self) -> str | None:
        """The name that certificates of the replicas must have; None without TLS."""
        return self.host if urlsplit(self.url).scheme == "https" else None


class Routing(_Spec):
    """All pools, at least one."""

    pools: tuple[PoolSpec, ...] = Field(min_length=1)

    @property
    def serving(self) -> tuple[PoolSpec, ...]:
        """The pools for clients: no shadow pool, and none of weight 0 unless all have it."""
        clients = tuple(pool for pool in self.pools if pool.shadow is None)
        return tuple(pool for pool in clients if pool.weight) or clients

    @model_validator(mode="after")
    def _check_names(self) -> Routing:
        names = [pool.name for pool in self.pools]
        if len(set(names)) != len(names):
            raise ValueError("two pools have the same name")
        if all(pool.shadow is not None for pool in self.pools):
            raise ValueError("all pools are shadow pools, which serve no client")
        return self
