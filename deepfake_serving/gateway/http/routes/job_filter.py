"""The filter of a list of jobs, in its query."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query

from deepfake_serving.contracts.jobs import Kind, State
from deepfake_serving.contracts.verdict import Label
from deepfake_serving.gateway.http.times import Time
from deepfake_serving.gateway.queue.backend import Query as JobQuery

Moment = Annotated[
    Time | None, Query(description="RFC 3339, with an offset: `2026-11-28T00:00:00Z`.")
]
Probability = Annotated[
    float | None, Query(ge=0, le=1, allow_inf_nan=False, description="Of the result.")
]


def job_filter(
    state: State | None = None,
    kind: Kind | None = None,
    q: Annotated[str | None, Query(max_length=200, description="Part of the name or id.")] = None,
    created_from: Moment = None,
    created_before: Moment = None,
    verdict: Label | None = None,
    min_probability: Probability = None,
    max_probability: Probability = None,
) -> JobQuery:
    """Returns the filter in the query."""
    return JobQuery(
        state=state,
        kind=kind,
        text=q,
        created_from=_seconds(created_from),
        created_before=_seconds(created_before),
        verdict=verdict,
        min_probability=min_probability,
        max_probability=max_probability,
    )


def _seconds(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()
