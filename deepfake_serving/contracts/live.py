"""Results of a live source: windows, one by one while it runs, and their summary.

A window is a part of the source that was analysed like a short video. Times of windows are seconds
since the start of the job, including gaps. Times of a window's shots are seconds since the
window's first frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from deepfake_serving.contracts.verdict import Label, ModelRef
from deepfake_serving.contracts.video import Shot

EndOfSource = Literal["source", "lost", "bound", "quota"]
"""The reason why a live source ended: by itself, unreachable for too long, at the time limit, or
because the daily quota of its API key was used up."""


@dataclass(frozen=True, slots=True)
class Window:
    """One window, which never changes. Numbers count from 1.

    `smoothed` is the exponentially smoothed probability, with a time constant of half a minute.
    `gap` is the reason why the source is missing between the previous window and this one.
    `problem` replaces the verdict if the window could not be analysed. Only suspicious and fake
    windows have images.
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
    """A reference to a window."""

    number: int
    start_s: float
    end_s: float
    verdict: Label
    fake_probability: float


@dataclass(frozen=True, slots=True)
class LiveVerdict:
    """The summary of all windows so far.

    Verdict and probability are those of the highest window, as those of a video are of its highest
    shot. `verdicts` counts windows by verdict. `worst` has the ten highest windows. `judged_s` is
    the duration of the windows with a verdict, of `duration_s` in total. `ended` is None while the
    job runs and after it was cancelled.
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
