"""Every setting of the gateway and its worker: its one home, its type, its default, its sentence.

Read from the environment (`DEEPFAKE_GATEWAY_` and the upper-case name), else from the YAML file
that `DEEPFAKE_GATEWAY_CONFIG` names, else the default.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.gateway.ingest.min_rate import MinDataRate
from deepfake_serving.gateway.jobs.signing import signing_key
from deepfake_serving.gateway.upstream.config import PoolSpec, Routing
from deepfake_serving.runtime.settings import Port, ServerSettings, SettingsError, load
from deepfake_serving.video.sampling import Sampling

__all__ = ["Settings", "SettingsError", "load_settings"]

ENV_PREFIX = "DEEPFAKE_GATEWAY_"
_ROOT = Path(__file__).resolve().parents[2]
_DATA = _ROOT / "build" / "data"

Names = Annotated[tuple[str, ...], NoDecode]


class Settings(ServerSettings):
    """Settings of the gateway."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX)

    host: str = Field(
        "127.0.0.1", min_length=1, description="Address that HTTP, gRPC and metrics listen on."
    )
    http_port: Port = Field(8000, description="Port of REST, WebSocket and the console.")
    grpc_port: Port = Field(8001, description="Port of gRPC; 0 takes a free one.")
    grpc_connection_age_s: float = Field(
        0.0,
        ge=0,
        le=86_400,
        description="Older gRPC connections are asked to end, what runs on them aside, so that "
        "callers find other gateways and leave one that is about to stop; 0: never.",
    )
    metrics_port: Port = Field(8002, description="Port of Prometheus metrics; 0 takes a free one.")

    routing: Annotated[Routing, NoDecode] = Field(
        Routing(pools=(PoolSpec(name="default", url="http://127.0.0.1:8080"),)),
        description="Pools of model servers, as JSON or YAML: `pools: [{name, url, models, "
        "priority, weight, max_in_flight}]` (docs/routing.md).",
    )
    request_timeout_s: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="Longest that a request may take; callers may ask for less.",
    )
    upload_patience_s: float = Field(
        30.0, gt=0, le=3600, description="Longest that a body may pause while it is sent; then 408."
    )
    upload_least_bytes_per_s: int = Field(
        4096,
        ge=1,
        description="Bytes a second that a body must come with, pauses aside.",
    )
    max_image_bytes: int = Field(32 * 2**20, ge=1024, le=2**30, description="Largest picture.")
    max_batch_items: int = Field(64, ge=1, le=4096, description="Most pictures in one batch.")
    max_video_bytes: int = Field(2 * 2**30, ge=1024, le=2**40, description="Largest video.")

    auth: Literal["auto", "none", "keys"] = Field(
        "auto",
        description="`keys`: an API key is needed; `none`: not; `auto`: keys where `keys_file` is "
        "set, none on loopback, and no start otherwise.",
    )
    keys_file: Path | None = Field(
        None, description="YAML file of API keys; `deepfake-serving key` makes an entry."
    )
    rate_limit: str | None = Field(
        None, description="Requests a key, for example `100/minute`; unset: no limit."
    )
    cors_origins: Names = Field(
        (), description="Origins that browsers may call from, separated by commas."
    )

    fetch_urls: bool = Field(True, description="Whether media may be named by their URL.")
    fetch_private: Names = Field(
        (),
        description="Networks that URLs may lead to although they are not public, separated by "
        "commas, for example `10.1.0.0/16`.",
    )
    fetch_timeout_s: float = Field(120.0, gt=0, le=3600, description="Longest that a URL may take.")
    fetch_sites: bool = Field(
        False, description="Whether pages of video sites are resolved by yt-dlp (docs/security.md)."
    )

    fetch_streams: bool = Field(
        False,
        description="Whether live sources (RTSP, HLS) are followed as jobs (docs/security.md).",
    )

    jobs: str = Field(
        f"sqlite:///{_DATA / 'jobs.sqlite'}",
        description="Where jobs are kept: `sqlite:///path` on one machine, `redis://…` in a "
        "cluster.",
    )
    objects: str = Field(
        f"file://{_DATA / 'objects'}",
        description="Where media and results are kept: `file:///folder` or `s3://bucket/prefix` "
        "(credentials from the usual AWS_ variables).",
    )
    max_queued: int = Field(1000, ge=1, description="Most jobs that wait; past it 429.")
    max_attempts: int = Field(5, ge=1, le=100, description="Attempts at a job before it is dead.")
    lease_s: float = Field(
        15.0, ge=2, le=3600, description="A worker that is silent for so long has lost its job."
    )
    retain_hours: float = Field(
        24 * 7, gt=0, description="Ended jobs are deleted with their media after this long."
    )
    retain_bytes: int = Field(
        20 * 2**30, ge=2**20, description="Oldest ended jobs are deleted when all take more."
    )
    embedded_worker: bool = Field(
        True, description="Whether the gateway runs a worker of its own beside itself."
    )
    worker_metrics_port: Port = Field(8003, description="Port of a worker's metrics.")
    worker_jobs: int = Field(1, ge=1, le=64, description="Jobs that a worker runs at once.")
    worker_streams: int = Field(
        2, ge=0, le=64, description="Live sources that a worker follows at once, beside its jobs."
    )
    worker_drain_s: float = Field(
        20.0, ge=0, le=3600, description="After SIGTERM, a running job may go on for so long."
    )
    webhook_secret: str | None = Field(
        None, description="`whsec_…` that webhooks are signed with; unset: no webhooks."
    )

    video_sampling: str = Field(
        "every:5",
        description="Which frames are analysed: `every:5`, `uniform:30`, `fps:2`, `per_shot:64`.",
    )
    video_aggregation: Aggregation = Field(
        "shots", description="How faces become one probability, unless the caller says."
    )
    max_video_s: float = Field(4 * 3600, gt=0, description="Longest part of a video analysed.")
    max_video_frames: int = Field(20_000, ge=1, description="Most frames analysed of one video.")

    stream_idle_s: float = Field(30.0, gt=0, description="A live stream without frames ends.")
    stream_max_s: float = Field(3600.0, gt=0, description="A live stream ends after this long.")
    max_streams: int = Field(32, ge=0, description="Live streams at once.")

    stream_sampling: str = Field(
        "fps:2", description="Which frames of a live source are analysed, unless the caller says."
    )
    stream_window_s: float = Field(
        10.0, ge=1, le=60, description="A live source is judged in windows of this length."
    )
    stream_patience_s: float = Field(
        60.0, ge=0, le=86_400, description="A live source that is away for longer has ended."
    )
    stream_job_max_s: float = Field(
        24 * 3600, gt=0, description="A live source is followed for this long at most."
    )
    max_stream_jobs: int = Field(
        16, ge=0, description="Live sources that are followed or wait to be; past it 429."
    )

    drain_delay_s: float = Field(
        0.0, ge=0, le=86_400, description="After SIGTERM, serve this long while already not ready."
    )
    drain_timeout_s: float = Field(
        60.0, ge=0, le=86_400, description="After SIGTERM, wait at most this long for requests."
    )

    @property
    def upload_pace(self) -> MinDataRate:
        """How slowly a body may come."""
        return MinDataRate(self.upload_patience_s, self.upload_least_bytes_per_s)

    @field_validator("webhook_secret")
    @classmethod
    def _can_sign(cls, value: str | None) -> str | None:
        if value is not None:
            signing_key(value)
        return value

    @field_validator("jobs")
    @classmethod
    def _is_a_store(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "redis://", "rediss://", "unix://")):
            raise ValueError("sqlite:///path or redis://… is expected")
        return value

    @field_validator("objects")
    @classmethod
    def _are_objects(cls, value: str) -> str:
        if not value.startswith(("file:///", "s3://")):
            raise ValueError("file:///folder or s3://bucket/prefix is expected")
        return value

    @field_validator("video_sampling", "stream_sampling")
    @classmethod
    def _is_a_sampling(cls, value: str) -> str:
        try:
            return str(Sampling.parse(value))
        except InvalidRequest as error:
            raise ValueError(error.detail) from error

    @field_validator("cors_origins", "fetch_private", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("routing", mode="before")
    @classmethod
    def _parse(cls, value: object) -> Any:
        return json.loads(value) if isinstance(value, str) else value


def load_settings(**overrides: object) -> Settings:
    """Reads and checks all settings.

    Raises:
        SettingsError: naming each wrong setting, its environment variable and the reason.
    """
    return load(Settings, overrides)
