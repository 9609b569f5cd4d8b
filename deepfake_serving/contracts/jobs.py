"""Jobs: their states, progress and source.

queued ──▶ running ──▶ succeeded   the result is stored
  ▲           │──────▶ failed      the media or the request is invalid; a retry would not help
  └─ retry ───┤──────▶ dead        the last attempt failed; `problem` has the reason
              └──────▶ cancelled   (also directly from queued)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from deepfake_serving.contracts.verdict import Label

State = Literal["queued", "running", "succeeded", "failed", "dead", "cancelled"]
STATES: tuple[State, ...] = ("queued", "running", "succeeded", "failed", "dead", "cancelled")
ENDED: frozenset[State] = frozenset({"succeeded", "failed", "dead", "cancelled"})
IMAGE, VIDEO = "image", "video"
"""The kinds of jobs that analyse one media file."""
PART = "part"
"""The kind of a part of a long video, which clients don't see."""
LIVE = "live"
"""The kind of a job that follows a live source until the source ends or the job is cancelled."""
Kind = Literal["image", "video", "live"]
"""The kinds that clients see."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a job. `percent` and `eta_s` are None while the duration is unknown.

    A live source also has the number of its windows, the second up to which they reach, and the
    verdict of the last one.
    """

    stage: str = "queued"
    frames: int = 0
    percent: float | None = None
    eta_s: float | None = None
    windows: int | None = None
    seconds: float | None = None
    verdict: Label | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The media of a job: an uploaded object, or a URL that the worker fetches.

    `object` is its key in the object store. `digest` is `sha256:…` of its bytes.
    """

    name: str
    object: str | None = None
    url: str | None = None
    bytes: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """The delivery of a job's webhook, from the job's end on.

    `pending` is before the first attempt and between two; `failed` after the last one.
    """

    state: Literal["pending", "delivered", "failed"] = "pending"
    attempts: int = 0
    last_attempt_at: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A stored job. Times are seconds since the epoch.

    Attributes:
        problem: A problem document.
        result: The object key of the result.
        summary: What lists show of the result (verdict, fake_probability).
        owner: The API key that submitted the job.
        webhook: A URL that is notified of the job's end.
        delivery: The state of that notification; None before the job's end.
        daily: Of a live source, the daily quotas of its API key when it was submitted, by unit.
        traceparent: The trace that the job was submitted in.
        version: Counts the job's changes.
    """

    id: str
    kind: str
    state: State
    source: Source
    options: dict[str, Any]
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    attempt: int = 0
    progress: Progress = field(default_factory=Progress)
    problem: dict[str, Any] | None = None
    result: str | None = None
    summary: dict[str, Any] | None = None
    cached: bool = False
    owner: str | None = None
    webhook: str | None = None
    delivery: WebhookDelivery | None = None
    daily: dict[str, float] | None = None
    traceparent: str | None = None
    version: int = 1
