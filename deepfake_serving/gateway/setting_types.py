"""Types of the gateway's settings, which check their values, and the settings of its ports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.gateway.queue.redis.url import SCHEMES, parse_replicated
from deepfake_serving.runtime.settings import Port, ServerSettings
from deepfake_serving.runtime.webhook_signing import parse_secrets
from deepfake_serving.video.sampling import Sampling


@dataclass(frozen=True, slots=True)
class MinDataRate:
    """The average data rate that a request body must have, apart from pauses."""

    max_pause_s: float
    """Total time that the client may pause; fast stretches restore it."""
    min_bytes_per_s: int


def _check_secret(value: str | None) -> str | None:
    if value is not None:
        parse_secrets(value)
    return value


def _check_store(value: str) -> str:
    if not value.startswith(("sqlite:///", *SCHEMES, "unix://")):
        raise ValueError("sqlite:///path or redis://… is expected")
    parse_replicated(value)
    return value


def _check_objects(value: str) -> str:
    if not value.startswith(("file:///", "s3://")):
        raise ValueError("file:///folder or s3://bucket/prefix is expected")
    return value


def _check_sampling(value: str) -> str:
    try:
        return str(Sampling.parse(value))
    except InvalidRequest as error:
        raise ValueError(error.detail) from error


WebhookSecret = Annotated[str | None, AfterValidator(_check_secret)]
MinReplicas = Annotated[int | None, Field(ge=0, le=10)]
StoreURL = Annotated[str, AfterValidator(_check_store)]
ObjectsURL = Annotated[str, AfterValidator(_check_objects)]
SamplingText = Annotated[str, AfterValidator(_check_sampling)]


class ListenSettings(ServerSettings):
    """Settings of addresses, ports and connections."""

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address that HTTP, gRPC and metrics listen on; `::`: all of IPv4 and IPv6.",
    )
    http_port: Port = Field(8000, description="Port of REST, WebSocket and the console.")
    grpc_port: Port = Field(8001, description="gRPC port; 0: any free port.")
    grpc_connection_age_s: float = Field(
        0.0,
        ge=0,
        le=86_400,
        description="gRPC connections older than this are closed gracefully (GOAWAY), so that "
        "clients reconnect to other gateways before this one stops; 0: never.",
    )
    grpc_idle_timeout_s: float = Field(
        300.0,
        ge=0,
        le=86_400,
        description="gRPC connections without a call are closed after this long; clients reconnect "
        "with their next call. 0: never.",
    )
    grpc_keepalive_s: float = Field(
        60.0,
        ge=1,
        le=7200,
        description="gRPC connections that are silent for this long are pinged, and closed if the "
        "client does not respond within 10 s.",
    )
    grpc_max_connections: int = Field(
        4096,
        ge=8,
        description="Maximum number of gRPC connections; further ones are closed at once.",
    )
    grpc_max_video_streams: int = Field(
        32,
        ge=1,
        description="Maximum number of videos that arrive over gRPC at once; past it, 429. Each "
        "holds a message, of up to twice `max_image_bytes`.",
    )
    keep_alive_timeout_s: int = Field(
        75,
        ge=1,
        le=3600,
        description="Idle HTTP connections are closed after this long. It must be longer than the "
        "idle timeout of a load balancer in front (60 s at most of them), which otherwise reuses "
        "a connection that is closing, and responds with 502.",
    )
    max_connections: int = Field(
        8192,
        ge=16,
        description="Maximum number of HTTP connections; past it, or when the process is about to "
        "run out of files, the one that has been idle for the longest is closed.",
    )
    metrics_port: Port = Field(8002, description="Port of Prometheus metrics; 0: any free port.")
