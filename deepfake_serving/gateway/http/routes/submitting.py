"""The parts that all operations share which submit a job."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Query, Response

from deepfake_serving.contracts.jobs import Job
from deepfake_serving.gateway.http.responses import json_response
from deepfake_serving.gateway.jobs.document import job_document

Webhook = Annotated[str | None, Query(description="A URL that is notified of the job's end.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A repeated request with the same key returns the first one's job.",
    ),
]
LOCATION: dict[str, Any] = {
    "Location": {"description": "The job's path.", "schema": {"type": "string"}}
}


def accepted(job: Job, **headers: str) -> Response:
    """Returns 202 and the job, whose path is the `Location`."""
    document = job_document(job)
    return json_response(document, 202, {"Location": document.links.self, **headers})
