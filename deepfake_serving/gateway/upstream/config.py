"""Which model servers there are and who asks which: one setting, `routing`."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PoolSpec(_Spec):
    """Replicas of one kind.

    `url` names them all: a host name is resolved again and again, and every address behind it is a
    replica (in Kubernetes, a headless Service). Of the pools that serve a model, those of the
    lowest `priority` are asked, shared between them by `weight`; the next ones only when they are
    full or down.
    """

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    url: str
    grpc_port: Annotated[int, Field(ge=1, le=65535)] = 8081
    """Where the same replicas speak gRPC, for the Open Inference Protocol."""
    models: tuple[str, ...] = ()
    """Which of their models are asked for here; empty: all that they serve."""
    priority: Annotated[int, Field(ge=0, le=1000)] = 0
    weight: Annotated[int, Field(ge=0, le=1000)] = 100
    max_in_flight: Annotated[int, Field(ge=1, le=100_000)] = 32
    """Requests at one replica at once; past it the next pool is asked."""

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("a model server is http://host:port")
        return value.rstrip("/")

    @property
    def host(self) -> str:
        return str(urlsplit(self.url).hostname)

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80


class Routing(_Spec):
    """All pools."""

    pools: tuple[PoolSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> Routing:
        names = [pool.name for pool in self.pools]
        if len(set(names)) != len(names):
            raise ValueError("two pools have the same name")
        return self
