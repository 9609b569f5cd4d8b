"""The JSON documents of jobs and problems, as clients get them.

Dataclasses that the gateway builds and serializes, and that the OpenAPI document describes. Times
are RFC 3339 in UTC; images and media are paths below the gateway's URL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from deepfake_serving.contracts.jobs import Progress, State
from deepfake_serving.contracts.live import LiveVerdict, Window
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.verdict import ImageVerdict, Label
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.runtime.serialization import OMIT_NONE


@dataclass(frozen=True, slots=True)
class ProblemDocument:
    """Problem details (RFC 9457). `error` is the detail again, for the Open Inference Protocol."""

    type: str
    title: str
    status: int
    detail: str
    id: Annotated[str | None, OMIT_NONE] = None
    retry_after_s: Annotated[int | None, OMIT_NONE] = None
    error: Annotated[str | None, OMIT_NONE] = None

    @classmethod
    def of(
        cls, problem: Problem, request_id: str | None, *, error: str | None = None
    ) -> ProblemDocument:
        """Returns the document of a problem."""
        return cls(
            problem.type,
            problem.title,
            problem.status,
            problem.detail,
            request_id,
            problem.retry_after_s,
            error,
        )


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """The source of a job: an uploaded file or a URL."""

    name: str
    url: str | None
    bytes: int | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class SummaryDocument:
    """The part of a result that lists of jobs show. `image` is the path of a small image."""

    verdict: Label
    fake_probability: float | None
    image: Annotated[str | None, OMIT_NONE] = None


@dataclass(frozen=True, slots=True)
class LinksDocument:
    """Paths of a job's resources."""

    self: str
    events: str
    media: str | None
    windows: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookDocument:
    """The delivery of a job's webhook. `waiting` is before the job's end, `pending` before the
    first attempt and between two, `failed` after the last one."""

    state: Literal["waiting", "pending", "delivered", "failed"]
    attempts: int
    last_attempt_at: str | None


@dataclass(frozen=True, slots=True)
class JobDocument:
    """A job. Times are RFC 3339; images of its result are paths."""

    id: str
    kind: str
    state: State
    created_at: str
    started_at: str | None
    finished_at: str | None
    attempt: int
    source: SourceDocument
    options: dict[str, Any]
    progress: Progress
    problem: ProblemDocument | None
    summary: SummaryDocument | None
    result: ImageVerdict | VideoVerdict | LiveVerdict | None
    cached: bool
    links: LinksDocument
    webhook: WebhookDocument | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs without their results, and the cursor of the next page."""

    jobs: list[JobDocument]
    next: str | None


@dataclass(frozen=True, slots=True)
class WindowPage:
    """Windows of a live source in order; `next` is the value of `after` for the next page."""

    windows: list[Window]
    next: int


@dataclass(frozen=True, slots=True)
class FeedbackDocument:
    """A label that a person gave to an image (`face` names one of its faces) or to a job (`track`
    does). `verdict` and `fake_probability` are what the service said of it, `key` the API key that
    gave the label, `owner` the one that sent the media; `media` is whether an export has them."""

    id: str
    kind: Literal["image", "job"]
    label: Literal["real", "fake"]
    created_at: str
    key: str | None
    owner: str | None
    note: str | None
    face: int | None
    track: str | None
    box: list[float] | None
    name: str | None
    digest: str | None
    verdict: Label | None
    fake_probability: float | None
    model: str | None
    model_digest: str | None
    media: bool


@dataclass(frozen=True, slots=True)
class FeedbackPage:
    """Feedback, the newest first, and the cursor of the next page."""

    feedback: list[FeedbackDocument]
    next: str | None


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """The body of a webhook: `type` is `job.` and the state, `data` the job without its result."""

    type: str
    data: JobDocument
