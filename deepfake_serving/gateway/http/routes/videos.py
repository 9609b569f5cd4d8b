"""Videos: accepted at once, analysed as jobs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.context import exchange_of, gateway_of
from deepfake_serving.gateway.http.dependencies import allow
from deepfake_serving.gateway.http.examples import JOB, shown
from deepfake_serving.gateway.http.responses import json_reply
from deepfake_serving.gateway.http.schemas import JobDocument
from deepfake_serving.gateway.ingest.uploads import MEDIUM_BODY, sent
from deepfake_serving.gateway.jobs.document import job_document
from deepfake_serving.gateway.jobs.submission import VideoRequest

router = APIRouter(tags=["videos"])


def asked_video(
    sampling: Annotated[
        str | None, Query(description="`every:5`, `uniform:30`, `fps:2` or `per_shot:64`.")
    ] = None,
    shots: Annotated[bool, Query(description="Whether to look for cuts.")] = True,
    aggregation: Annotated[
        Aggregation | None, Query(description="How faces become one probability.")
    ] = None,
    model: Annotated[str | None, Query(description="The detector to ask.")] = None,
    webhook: Annotated[str | None, Query(description="A URL that is told of the end.")] = None,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="The same key with the same request makes no second job.",
        ),
    ] = None,
) -> VideoRequest:
    """The query and headers of a submission."""
    return VideoRequest(sampling, shots, aggregation, model, webhook, key)


@router.post(
    "/v1/videos",
    summary="Submit a video for analysis",
    status_code=202,
    responses={202: shown(JobDocument, JOB)},
    openapi_extra={"requestBody": MEDIUM_BODY},
)
async def submit_video(
    request: Request,
    asked: Annotated[VideoRequest, Depends(asked_video)],
    principal: Annotated[Principal, Depends(allow("videos"))],
    live: Annotated[
        bool, Query(description="Whether the URL is a live source, as RTSP always is.")
    ] = False,
) -> Response:
    """The video comes as a form's `file`, as the body itself (`X-Filename` names it), or as
    `{"url": …}`. Answers with the job and its `Location`.

    An RTSP URL, or with `live=true` one of an HLS playlist, makes a job of the kind `live`, which
    runs until it is cancelled, and whose windows can be read meanwhile.
    """
    gateway, trace = gateway_of(request), exchange_of(request).traceparent
    async with sent(request, file_bytes=gateway.settings.max_video_bytes, live=live) as medium:
        job = await gateway.submission.submit(medium, asked, principal, trace)
    exchange_of(request).note(job=job.id, bytes=job.source.bytes)
    document: dict[str, Any] = job_document(job)
    return json_reply(document, 202, {"Location": document["links"]["self"]})
