"""The documents of responses that only the HTTP API has; jobs are in `gateway.documents`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from deepfake_serving.contracts.models import MemberInfo, ModelCard, ModelCost, Thresholds
from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.gateway.documents import ProblemDocument
from deepfake_serving.runtime.serialization import OMIT_NONE


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One image's verdict, or its problem."""

    name: str | None
    verdict: Annotated[ImageVerdict | None, OMIT_NONE] = None
    problem: Annotated[ProblemDocument | None, OMIT_NONE] = None


@dataclass(frozen=True, slots=True)
class BatchDocument:
    """Results in the order of the images."""

    id: str
    results: list[BatchItem]


@dataclass(frozen=True, slots=True)
class PoolDocument:
    """A pool that serves a model, and the digest of the archive it serves."""

    name: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class ModelDocument:
    """A served model, or an ensemble of some. `trained` is false while weights are missing.

    `task` is detector, faces, classifier or ensemble.
    """

    name: str
    version: str
    digest: str | None
    trained: bool
    pools: list[PoolDocument]
    thresholds: Thresholds | None
    card: ModelCard | None
    task: Annotated[str | None, OMIT_NONE] = None
    cost: Annotated[ModelCost | None, OMIT_NONE] = None
    members: Annotated[list[MemberInfo] | None, OMIT_NONE] = None


@dataclass(frozen=True, slots=True)
class ModelsDocument:
    """All served models, by name."""

    models: list[ModelDocument]


@dataclass(frozen=True, slots=True)
class LimitsDocument:
    """Limits of requests."""

    max_image_bytes: int
    max_batch_items: int
    max_video_bytes: int
    max_video_s: float
    stream_max_s: float


@dataclass(frozen=True, slots=True)
class DefaultsDocument:
    """The options of a video job that names none."""

    sampling: str
    aggregation: Aggregation


@dataclass(frozen=True, slots=True)
class ScaleDocument:
    """The thresholds of a model's scores, and its card in short."""

    name: str
    thresholds: Thresholds | None
    card: ModelCard | None


@dataclass(frozen=True, slots=True)
class InfoDocument:
    """Version and limits; whether requests need an API key; whether URLs are fetched."""

    name: str
    version: str
    auth: bool
    limits: LimitsDocument
    defaults: DefaultsDocument
    urls: bool
    models: list[ScaleDocument]


@dataclass(frozen=True, slots=True)
class KeyUsage:
    """The usage of an API key on a day, and its limits, by unit."""

    key: str
    requests: int
    images: int
    bytes: int
    video_seconds: float
    limits: dict[str, float]


@dataclass(frozen=True, slots=True)
class UsageDocument:
    """Usage of a day (UTC). Limits are those of now; `resets_in_s` is the time until its end."""

    day: str
    resets_in_s: int
    keys: list[KeyUsage]


@dataclass(frozen=True, slots=True)
class Liveness:
    """The response of `/healthz`."""

    live: bool


@dataclass(frozen=True, slots=True)
class Readiness:
    """The response of `/readyz`: why it is not ready, and what fails although it is."""

    ready: bool
    reasons: list[str]
    degraded: list[str]
