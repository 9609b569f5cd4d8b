"""What answers look like, for the OpenAPI document and for clients made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deepfake_serving.contracts.jobs import Progress, State
from deepfake_serving.contracts.live import LiveVerdict, Window
from deepfake_serving.contracts.verdict import ImageVerdict, Label
from deepfake_serving.contracts.video import VideoVerdict


@dataclass(frozen=True, slots=True)
class ProblemDocument:
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    id: str | None = None
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One picture's verdict, or its problem."""

    name: str | None
    verdict: ImageVerdict | None = None
    problem: ProblemDocument | None = None


@dataclass(frozen=True, slots=True)
class BatchDocument:
    """Results in the order of the pictures."""

    id: str
    results: list[BatchItem]


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """The medium of a job."""

    name: str
    url: str | None
    bytes: int | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class SummaryDocument:
    """The few words of a result that lists show."""

    verdict: Label
    fake_probability: float | None


@dataclass(frozen=True, slots=True)
class LinksDocument:
    """Paths that belong to a job."""

    self: str
    events: str
    media: str | None
    windows: str | None = None


@dataclass(frozen=True, slots=True)
class JobDocument:
    """A job. Times are RFC 3339; pictures of its result are paths."""

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
    result: VideoVerdict | LiveVerdict | None
    cached: bool
    links: LinksDocument


@dataclass(frozen=True, slots=True)
class WindowPage:
    """Windows of a live source in order; `next` is what to ask for those `after`."""

    windows: list[Window]
    next: int


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs without their results, and the cursor of the next page."""

    jobs: list[JobDocument]
    next: str | None
