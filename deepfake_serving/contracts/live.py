"""What is answered about a live source: window after window while it runs, and a summary of them.

A window is a stretch of the source that was judged like a short video. Times of windows are seconds
since the job was started, whatever was missed meanwhile; times within a window's shots are seconds
since the window's first frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from deepfake_serving.contracts.verdict import Label, ModelRef
from deepfake_serving.contracts.video import Shot

EndOfSource = Literal["source", "lost", "bound"]
"""Why a live source ended: by itself, out of reach for too long, or followed for long enough."""


@dataclass(frozen=True, slots=True)
class Window:
    """One window, which never changes once it is there. Numbers count from 1.

    `smoothed` follows the probability over windows with a time constant of half a minute. `gap`
    says why what came between this window and the one before is missing, where something is.
    `problem` stands in place of a verdict where the window could not be judged. Pictures are kept
    of windows that are suspicious or fake only.
    """

    number: int
    start_s: float
    end_s: float
    verdict: Label | None = None
    fake_probability: float | None = None
    smoothed: float | None = None
    frames_analyzed: int = 0
    frames_with_face: int = 0
    shots: list[Shot] = field(default_factory=list)
    gap: str | None = None
    problem: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WindowRef:
    """A window in few words."""

    number: int
    start_s: float
    end_s: float
    verdict: Label
    fake_probability: float


@dataclass(frozen=True, slots=True)
class LiveVerdict:
    """All windows so far. Verdict and probability are those of the highest window, as a video's are
    those of its highest shot; `verdicts` counts windows by verdict, to tell how much of it that is.

    `worst` holds the ten highest, `judged_s` the seconds that lie in windows with a verdict, of
    the `duration_s` in all. `ended` is None while it runs, and after it was cancelled.
    """

    verdict: Label = "no_face"
    fake_probability: float | None = None
    smoothed: float | None = None
    windows: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    problems: int = 0
    gaps: int = 0
    worst: list[WindowRef] = field(default_factory=list)
    frames_analyzed: int = 0
    frames_with_face: int = 0
    duration_s: float = 0.0
    judged_s: float = 0.0
    model: ModelRef | None = None
    ended: EndOfSource | None = None
    warnings: list[str] = field(default_factory=list)
    id: str | None = None
