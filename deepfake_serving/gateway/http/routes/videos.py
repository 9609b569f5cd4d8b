"""Videos: accepted at once, analysed as jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.context import get_gateway, get_request_scope
from deepfake_serving.gateway.documents import JobDocument
from deepfake_serving.gateway.http.dependencies import require_scope
from deepfake_serving.gateway.http.openapi.request_bodies import FILENAME, VIDEO_BODY
from deepfake_serving.gateway.http.routes.submitting import (
    LOCATION,
    IdempotencyKey,
    Webhook,
    accepted,
)
from deepfake_serving.gateway.ingest.links import video_link
from deepfake_serving.gateway.ingest.uploads import read_single_medium
from deepfake_serving.gateway.jobs.requests import RemoteMedia, VideoRequest

router = APIRouter(tags=["videos"])


def video_request(
    sampling: Annotated[
        str | None, Query(description="`every:5`, `uniform:30`, `fps:2` or `per_shot:64`.")
    ] = None,
    shots: Annotated[
        bool, Query(description="Whether to split the video into shots. Tracks end at cuts.")
    ] = True,
    aggregation: Annotated[
        Aggregation | None, Query(description="How the faces' scores become one probability.")
    ] = None,
    model: Annotated[str | None, Query(description="The detector.")] = None,
    explain: Annotated[
        bool, Query(description="Whether the keyframe of each track gets a heatmap.")
    ] = False,
    webhook: Webhook = None,
    key: IdempotencyKey = None,
) -> VideoRequest:
    """Returns the options in the query and the headers."""
    return VideoRequest(sampling, shots, aggregation, model, webhook, key, explain)


@router.post(
    "/v1/videos",
    summary="Submit a video for analysis",
    status_code=202,
    responses={202: {"model": JobDocument, "headers": LOCATION}},
    openapi_extra={"requestBody": VIDEO_BODY, "parameters": [FILENAME]},
)
async def submit_video(
    request: Request,
    options: Annotated[VideoRequest, Depends(video_request)],
    principal: Annotated[Principal, Depends(require_scope("videos"))],
    live: Annotated[
        bool, Query(description="Whether the URL is a live source, as RTSP always is.")
    ] = False,
) -> Response:
    """The video is a form's `file`, the body itself (`X-Filename` names it), `{"url": …}`, or a
    finished resumable upload, `{"upload": "id"}`. An upload becomes one job, which a repeated
    request returns.
    The response is the job; `Location` is its path.

    An RTSP URL, or with `live=true` one of an HLS playlist, creates a job of the kind `live`. It
    runs until it is cancelled, and its windows can be read meanwhile.
    """
    gateway, scope = get_gateway(request), get_request_scope(request)
    settings = gateway.settings
    gateway.disk_space.check()

    def link(url: str) -> RemoteMedia:
        return video_link(url, gateway.fetcher, live=live, allow_live=settings.source_enabled)

    async with read_single_medium(
        request, link, max_bytes=settings.max_video_bytes, uploads=True
    ) as medium:
        if live and not isinstance(medium, RemoteMedia):
            raise InvalidRequest("live=true needs the URL of a source")
        job, _ = await gateway.submission.submit(medium, options, principal, scope.traceparent)
    scope.note(job=job.id, bytes=job.source.bytes)
    return accepted(job)
