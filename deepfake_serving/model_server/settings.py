"""Settings of the model server, each with its type, default and description.

A value comes from the environment (`DEEPFAKE_MODEL_SERVER_` and the name in upper case), else from
the YAML file that `DEEPFAKE_MODEL_SERVER_CONFIG` names, else from the default.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from deepfake_serving import assets
from deepfake_serving.runtime.settings import Names, Port, ServerSettings, SettingsError, load

__all__ = ["CONFIG_VARIABLE", "ENV_PREFIX", "Settings", "SettingsError", "load_settings"]

ENV_PREFIX = "DEEPFAKE_MODEL_SERVER_"
CONFIG_VARIABLE = ENV_PREFIX + "CONFIG"


class Settings(ServerSettings):
    """Settings of the model server."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX)

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address that REST, gRPC and metrics listen on; `::`: all of IPv4 and IPv6.",
    )
    http_port: Port = Field(8080, description="REST port; 0: any free port.")
    grpc_port: Port = Field(8081, description="gRPC port; 0: any free port.")
    grpc_connection_age_s: float = Field(
        0.0,
        ge=0,
        le=86_400,
        description="gRPC connections older than this are closed gracefully (GOAWAY), so that "
        "clients reconnect to other model servers before this one stops; 0: never.",
    )
    metrics_port: Port = Field(8082, description="Port of Prometheus metrics; 0: any free port.")
    probe_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of `/healthz` and `/readyz` alone, without TLS, for probes that have no "
        "certificate; unset: only the REST port has them; 0: any free port.",
    )
    tls_certificate: Path | None = Field(
        None,
        description="PEM file of the certificate of REST and gRPC, with its intermediates; unset: "
        "no TLS. It is read again when it changes, as are its key and the CA.",
    )
    tls_key: Path | None = Field(None, description="PEM file of the certificate's private key.")
    tls_client_ca: Path | None = Field(
        None,
        description="PEM file of the CA that clients of REST and gRPC need a certificate of; "
        "unset: they need none.",
    )

    models: Names = Field(
        ("detector",), description="Models to serve, by archive name, separated by commas."
    )
    archives: Path = Field(
        default_factory=assets.archives, description="Folder of the archives, `<model>.mar`."
    )
    digests: Annotated[dict[str, str], NoDecode] = Field(
        {},
        description="Expected `sha256:…` of each archive, by model name; a mismatch stops the "
        "start.",
    )

    device: Literal["auto", "cpu", "cuda"] | None = Field(
        None, description="Overrides the manifests' device."
    )
    precision: Literal["fp32", "bf16"] | None = Field(
        None, description="Overrides the manifests' precision."
    )
    gpus: int | None = Field(
        None, ge=0, description="GPUs to use; unset: all that the driver lists."
    )
    workers: int = Field(
        0,
        ge=0,
        le=64,
        description="Workers per model; 0: one per GPU, else the model's share of the CPUs, at "
        "most 4.",
    )
    threads: int = Field(
        0, ge=0, description="Threads per worker; 0: the CPU quota divided by all workers."
    )
    batch_size: int = Field(
        0, ge=0, le=1024, description="Overrides the manifests' maximum batch size; 0: keeps it."
    )
    batch_delay_ms: int | None = Field(
        None, ge=0, le=1000, description="Overrides the manifests' maximum batch delay."
    )

    max_body_bytes: int = Field(
        32 * 2**20, ge=1024, le=2**30, description="Maximum size of a request body."
    )
    max_items: int = Field(
        64, ge=1, le=4096, description="Maximum number of images in one batch request."
    )
    max_queue: int = Field(64, ge=0, description="Requests per model that may wait for a slot.")
    request_timeout_s: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="Maximum duration of a request; clients may set a shorter deadline.",
    )

    start_timeout_s: float = Field(
        180.0, gt=0, le=86_400, description="Exit if the models are not ready after this long."
    )
    recovery_timeout_s: float = Field(
        120.0, gt=0, le=86_400, description="Exit if workers have been down for this long."
    )
    drain_delay_s: float = Field(
        0.0,
        ge=0,
        le=86_400,
        description="After SIGTERM, keep serving for this long while not ready.",
    )
    drain_timeout_s: float = Field(
        60.0,
        ge=0,
        le=86_400,
        description="After SIGTERM, wait at most this long for requests in flight.",
    )

    worker_max_growth_bytes: int = Field(
        384 * 2**20,
        ge=0,
        description="A worker whose memory has grown by more than this since it was ready is "
        "replaced, without a failed request; 0: never.",
    )
    torchserve_sockets: Literal["auto", "unix", "tcp"] = Field(
        "auto",
        description="How TorchServe listens: `unix` sockets in a private folder, or `tcp` on "
        "loopback; `auto` takes `unix` where its Java libraries support it (not on "
        "Apple's ARM).",
    )
    jvm_options: str = Field(
        "-Xmx512m -XX:+UseG1GC -XX:G1PeriodicGCInterval=15000 "
        "-XX:MinHeapFreeRatio=10 -XX:MaxHeapFreeRatio=30",
        description="Options of TorchServe's Java. By default it returns memory to the system "
        "after a burst.",
    )

    @field_validator("digests", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("models")
    @classmethod
    def _some_and_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("must name at least one model, and none twice")
        return value


def load_settings(**overrides: object) -> Settings:
    """Reads and checks all settings.

    Raises:
        SettingsError: naming each wrong setting, its environment variable and the reason.
    """
    return load(Settings, overrides)
