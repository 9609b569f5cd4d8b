"""Work that is answered later: what a job is, and what its owner sees of it.

queued ──▶ running ──▶ succeeded   the result is stored
  ▲           │──────▶ failed      the medium's or the caller's fault; trying again can't help
  └─ retry ───┤──────▶ dead        given up after the last attempt; `problem` says why
              └──────▶ cancelled   (also straight from queued)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from deepfake_serving.contracts.verdict import Label

State = Literal["queued", "running", "succeeded", "failed", "dead", "cancelled"]
STATES: tuple[State, ...] = ("queued", "running", "succeeded", "failed", "dead", "cancelled")
ENDED: frozenset[State] = frozenset({"succeeded", "failed", "dead", "cancelled"})
LIVE = "live"
"""The kind of a job that follows a live source, and ends when that does or it is cancelled."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is. `percent` and `eta_s` are None while the length is unknown.

    The others are told of a live source: windows that can be read, up to which second they reach,
    and the last one's verdict.
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
    """The medium: an object that was uploaded, or a URL that the worker fetches.

    `object` is its key in the object store once it lies there; `digest` is `sha256:…` of its bytes.
    """

    name: str
    object: str | None = None
    url: str | None = None
    bytes: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One job as it is stored. Times are seconds since the epoch.

    `result` is the object key of its result and `summary` the few words of it that lists show
    (verdict, fake_probability); `problem` a problem document; `owner` the API key that
    submitted it; `webhook` a URL that is told of its end; `traceparent` the trace that it was
    submitted in; `version` counts its changes.
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
    traceparent: str | None = None
    version: int = 1
