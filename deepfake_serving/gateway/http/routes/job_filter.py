"""The filter of a list of jobs, in its query."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, BeforeValidator

from deepfake_serving.contracts.jobs import State
from deepfake_serving.contracts.verdict import Label
from deepfake_serving.gateway.queue.backend import Query as JobQuery

_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def _check_time(value: object) -> object:
    """Refuses numbers, which pydantic reads as seconds since the epoch."""
    if isinstance(value, str) and _DATE.match(value) is None:
        raise ValueError("a date and time of RFC 3339 was expected")
    return value


Time = Annotated[
    Annotated[AwareDatetime, BeforeValidator(_check_time)] | None,
    Query(description="RFC 3339, with an offset: `2026-11-28T00:00:00Z`."),
]
Probability = Annotated[
    float | None, Query(ge=0, le=1, allow_inf_nan=False, description="Of the result.")
]


def job_filter(
    state: State | None = None,
    kind: Annotated[str | None, Query(max_length=40)] = None,
    q: Annotated[str | None, Query(max_length=200, description="Part of the name or id.")] = None,
    created_from: Time = None,
    created_before: Time = None,
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
