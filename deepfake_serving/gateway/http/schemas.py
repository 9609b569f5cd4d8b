"""The documents of responses that only the HTTP API has; jobs are in `gateway.documents`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from deepfake_serving.contracts.models import MemberInfo, ModelCard, ModelCost, Thresholds
from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.gateway.documents import ProblemDocument
from deepfake_serving.gateway.feedback.service import MAX_NOTE
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
class UploadDocument:
    """A resumable upload: `offset` of `length` bytes are stored. It is deleted at `expires_at`."""

    id: str
    offset: int
    length: int
    name: str | None
    expires_at: str


@dataclass(frozen=True, slots=True)
class PoolDocument:
    """A pool that serves a model, and the digest of the archive it serves."""

    name: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class ModelDocument:
    """A served model, or an ensemble of some. `trained` is false while weights are missing.

    `task` is detector, faces, classifier or ensemble; `max_pixels` the limit of an image.
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
    max_pixels: Annotated[int | None, OMIT_NONE] = None


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
    """The thresholds of a model's scores, and its card in short; the members of an ensemble.

    `task` is detector, faces, classifier or ensemble; `max_pixels` the limit of an image.
    """

    name: str
    thresholds: Thresholds | None
    card: ModelCard | None
    task: Annotated[str | None, OMIT_NONE] = None
    members: Annotated[list[MemberInfo] | None, OMIT_NONE] = None
    max_pixels: Annotated[int | None, OMIT_NONE] = None


@dataclass(frozen=True, slots=True)
class InfoDocument:
    """Version and limits; whether requests need an API key; whether URLs are fetched; whether
    feedback on images is accepted; whether analysed images are kept."""

    name: str
    version: str
    auth: bool
    limits: LimitsDocument
    defaults: DefaultsDocument
    urls: bool
    models: list[ScaleDocument]
    feedback: bool
    keeps_images: bool


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
class RateDocument:
    """The rate limit of a key: `remaining` of `limit` requests in `window_s` seconds, and the
    seconds until the window resets."""

    limit: int
    window_s: int
    remaining: int
    resets_in_s: int


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """An API key without its secret: its scopes and its own limits. `daily` has its quotas by unit.
    `rate` is None without a limit, and while the counter of requests can't be read."""

    id: str
    scopes: list[str]
    rate: RateDocument | None
    max_queued: int | None
    max_streams: int | None
    daily: dict[str, float]


@dataclass(frozen=True, slots=True)
class KeysDocument:
    """All API keys. `required` is false where clients need none."""

    required: bool
    keys: list[KeyDocument]


@dataclass(frozen=True, slots=True)
class UsageDocument:
    """Usage of a day (UTC). Limits are those of now; `resets_in_s` is the time until its end."""

    day: str
    resets_in_s: int
    keys: list[KeyUsage]


class FeedbackBody(BaseModel):
    """A label for the response with an id: of an image (a verdict's `id`) or of a job.

    `face` is the position of a face in an image's `faces`, `track` the id of a face in a video.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1, max_length=200)]
    label: Literal["real", "fake"]
    face: Annotated[int, Field(ge=0, le=10_000)] | None = None
    track: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    note: Annotated[str, Field(max_length=MAX_NOTE)] | None = None


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
