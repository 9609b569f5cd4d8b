"""Settings of the gateway and its worker, each with its type, default and description.

A value comes from the environment (`DEEPFAKE_GATEWAY_` and the name in upper case), else from the
YAML file that `DEEPFAKE_GATEWAY_CONFIG` names, else from the default.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from deepfake_serving import assets
from deepfake_serving.gateway.setting_groups.predictions import PredictionSettings
from deepfake_serving.gateway.setting_groups.uploads import UploadSettings
from deepfake_serving.gateway.setting_groups.upstream_tls import UpstreamTLSSettings
from deepfake_serving.gateway.setting_groups.videos import VideoSettings
from deepfake_serving.gateway.setting_types import (
    ListenSettings,
    MinDataRate,
    MinReplicas,
    ObjectsURL,
    SamplingText,
    StoreURL,
    WebhookSecret,
)
from deepfake_serving.gateway.upstream.config import PoolSpec, Routing
from deepfake_serving.runtime.settings import Names, Port, SettingsError, load

__all__ = ["MinDataRate", "Settings", "SettingsError", "load_settings"]

ENV_PREFIX = "DEEPFAKE_GATEWAY_"


class Settings(
    ListenSettings, VideoSettings, UploadSettings, PredictionSettings, UpstreamTLSSettings
):
    """Settings of the gateway."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX)

    routing: Annotated[Routing, NoDecode] = Field(
        Routing(pools=(PoolSpec(name="default", url="http://127.0.0.1:8080"),)),
        description="Pools of model servers, as JSON or YAML: `pools: [{name, url, models, "
        "priority, weight, max_in_flight, shadow, may_be_empty}]` (docs/routing.md).",
    )
    shadow_max_bytes: int = Field(
        64 * 2**20,
        ge=0,
        description="Maximum bytes of images that copies to shadow pools hold; past it, copies are "
        "dropped and counted.",
    )
    hedge_share: float = Field(
        0.0,
        ge=0,
        le=0.1,
        description="Share of images that may be sent to a second replica, once they take longer "
        "than all but this share did; the first response wins. 0: none.",
    )
    ensembles: Names = Field(
        (), description="Ensembles: names of `config/ensembles` or paths of files, comma-separated."
    )
    request_timeout_s: float = Field(
        60.0, gt=0, le=3600, description="Maximum duration of a request; clients may set less."
    )
    upload_stall_timeout_s: float = Field(
        30.0, gt=0, le=3600, description="Time for which a request body may stall; past it, 408."
    )
    upload_min_bytes_per_s: int = Field(
        4096, ge=1, description="Minimum average bytes per second of a body, without stalls."
    )
    max_image_bytes: int = Field(
        32 * 2**20, ge=1024, le=2**30, description="Maximum size of an image."
    )
    max_batch_items: int = Field(
        64, ge=1, le=4096, description="Maximum number of images in one batch."
    )
    grpc_max_message_memory_bytes: int = Field(
        288 * 2**20,
        ge=2**20,
        description="Maximum bytes of the messages that gRPC calls hold at once. A message counts "
        "as one of twice `max_image_bytes` until it has arrived.",
    )
    max_body_memory_bytes: int = Field(
        256 * 2**20,
        ge=2**20,
        description="Maximum bytes of all bodies of `/v2` requests at once; past it, 429.",
    )
    max_video_bytes: int = Field(
        2 * 2**30, ge=1024, le=2**40, description="Maximum size of a video."
    )

    auth: Literal["auto", "none", "keys"] = Field(
        "auto",
        description="`keys`: clients need an API key; `none`: they need none; `auto`: `keys` if "
        "`keys_file` is set, else `none` on loopback, else no start.",
    )
    keys_file: Path | None = Field(
        None, description="YAML file of API keys; `deepfake-serving key` creates an entry."
    )
    rate_limit: str | None = Field(
        None, description="Requests per key, for example `100/minute`; unset: no limit."
    )
    cors_origins: Names = Field((), description="Origins that browsers may call from: `a,b`.")

    fetch_urls: bool = Field(True, description="Whether clients may name media by URL.")
    fetch_private: Names = Field(
        (), description="Private networks that URLs may resolve to: `10.1.0.0/16,10.3.0.0/16`."
    )
    fetch_timeout_s: float = Field(
        120.0, gt=0, le=3600, description="Maximum duration of a download."
    )
    fetch_sites: bool = Field(
        False, description="Whether yt-dlp resolves pages of video sites (docs/security.md)."
    )

    provenance_anchors: Path | None = Field(
        None, description="PEM file of certificates whose content credentials are trusted."
    )
    source_enabled: bool = Field(
        False, description="Whether live sources (RTSP, HLS) become jobs (docs/security.md)."
    )

    jobs: StoreURL = Field(
        default_factory=lambda: f"sqlite:///{assets.home() / 'data' / 'jobs.sqlite'}",
        description="Job store: `sqlite:///path` on one machine, else Redis (docs/jobs.md#redis).",
    )
    redis_min_replicas: MinReplicas = Field(
        None,
        description="Replicas of Redis that store a job before it is accepted (else 503). "
        "Unset: 1 with Sentinels and in a cluster, else 0.",
    )
    objects: ObjectsURL = Field(
        default_factory=lambda: f"file://{assets.home() / 'data' / 'objects'}",
        description="Object store of media and results: `file:///folder` or `s3://bucket/prefix` "
        "(credentials from the usual AWS_ variables).",
    )
    min_free_bytes: int = Field(
        4 * 2**20,
        ge=0,
        description="Free space of the disks of jobs, objects and temporary files below which no "
        "video is accepted (507); reads and deletions continue.",
    )
    max_queued: int = Field(1000, ge=1, description="Maximum number of queued jobs; past it, 429.")
    max_attempts: int = Field(5, ge=1, le=100, description="Maximum number of attempts of a job.")
    lease_s: float = Field(
        15.0, ge=2, le=3600, description="A worker without a heartbeat for this long loses its job."
    )
    retain_hours: float = Field(
        24 * 7, gt=0, description="Finished jobs and their media are deleted after this long."
    )
    retain_bytes: int = Field(
        20 * 2**30,
        ge=2**20,
        description="Finished jobs are deleted while they use more space than this: of the key "
        "that uses the most, oldest first.",
    )
    remember_images: int = Field(
        10_000,
        ge=0,
        description="Image responses that feedback can name, remembered for `retain_hours`; above "
        "it, the oldest of the key with the most are forgotten.",
    )
    retain_image_bytes: int = Field(
        0,
        ge=0,
        description="Space for analysed images, kept for `retain_hours`; above it, the oldest of "
        "the key that uses the most are deleted. 0 keeps none.",
    )
    embedded_worker: bool = Field(
        True, description="Whether the gateway starts its own worker process."
    )
    worker_metrics_port: Port = Field(8003, description="Port of a worker's metrics.")
    worker_jobs: int = Field(1, ge=1, le=64, description="Jobs that a worker runs concurrently.")
    worker_images: int = Field(
        2,
        ge=1,
        le=64,
        description="Images that a worker analyses concurrently, in addition to its jobs.",
    )
    worker_sources: int = Field(
        2,
        ge=0,
        le=64,
        description="Live sources that a worker follows concurrently, in addition to its jobs.",
    )
    worker_drain_s: float = Field(
        20.0, ge=0, le=3600, description="After SIGTERM, running jobs may continue for this long."
    )
    webhook_secret: WebhookSecret = Field(
        None,
        description="`whsec_…` that signs webhooks, or two, separated by a comma, while one is "
        "replaced; unset: no webhooks.",
    )

    shared_cache: bool = Field(
        False,
        description="Whether keys share cached results, and so learn which videos others sent.",
    )

    live_idle_timeout_s: float = Field(
        30.0, gt=0, description="A live session without frames ends after this long."
    )
    live_max_duration_s: float = Field(
        3600.0, gt=0, description="A live session ends after this long."
    )
    live_max_sessions: int = Field(
        32, ge=0, description="Maximum number of live sessions (WebSocket and gRPC streams)."
    )

    source_sampling: SamplingText = Field(
        "fps:2", description="Default sampling of a live source's frames."
    )
    source_window_s: float = Field(
        10.0, ge=1, le=60, description="Length of the windows in which a live source is analysed."
    )
    source_reconnect_timeout_s: float = Field(
        60.0,
        ge=0,
        le=86_400,
        description="A live source that is unreachable for this long has ended.",
    )
    source_max_duration_s: float = Field(
        24 * 3600, gt=0, description="A live source is followed for at most this long."
    )
    source_max_jobs: int = Field(
        16, ge=0, description="Maximum number of live sources, queued or followed; past it, 429."
    )

    drain_delay_s: float = Field(
        0.0, ge=0, le=86_400, description="After SIGTERM, keep serving this long while not ready."
    )
    drain_timeout_s: float = Field(
        60.0, ge=0, le=86_400, description="After SIGTERM, wait this long for requests in flight."
    )

    @property
    def upload_expire_s(self) -> float:
        """The time in seconds after which a resumable upload is deleted."""
        return self.upload_expire_hours * 3600

    @property
    def upload_min_rate(self) -> MinDataRate:
        """The minimum data rate of request bodies."""
        return MinDataRate(self.upload_stall_timeout_s, self.upload_min_bytes_per_s)

    @field_validator("routing", mode="before")
    @classmethod
    def _parse(cls, value: object) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)  # not all JSON is YAML: tabs indent it, too
        except ValueError:
            return _yaml(value)


def _yaml(value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f"neither JSON nor YAML: {error}") from error


def load_settings(**overrides: object) -> Settings:
    """Reads and checks all settings.

    Raises:
        SettingsError: naming each wrong setting, its environment variable and the reason.
    """
    return load(Settings, overrides)
