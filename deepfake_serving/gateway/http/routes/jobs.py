"""Jobs: their list, one of them, its progress events, its windows, its images and its media."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.responses import StreamingResponse

from deepfake_serving.contracts.jobs import ENDED, Job
from deepfake_serving.contracts.problems import Problem, UnsatisfiableRange
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.context import Gateway, get_gateway, get_request_scope
from deepfake_serving.gateway.documents import JobDocument, JobPage, WindowPage
from deepfake_serving.gateway.http.dependencies import require_scope
from deepfake_serving.gateway.http.ranges import has_tag, parse_range
from deepfake_serving.gateway.http.responses import json_response
from deepfake_serving.gateway.http.routes.job_filter import job_filter
from deepfake_serving.gateway.jobs.document import job_document, raw_result
from deepfake_serving.gateway.queue.backend import Query as JobQuery
from deepfake_serving.runtime.request_scope import RequestScope
from deepfake_serving.runtime.serialization import to_json

router = APIRouter(tags=["jobs"])

_END = "end"
"""Id of the last event. The job's version may change after its end, when a webhook is delivered."""


_FILE = {"schema": {"type": "string", "format": "binary"}}
_EVENTS = {
    "text/event-stream": {
        "schema": {"description": "Events `progress` and `end`, whose `data` is a JobDocument."}
    }
}
_MEDIA_TYPES = {"video/*": _FILE, "image/*": _FILE, "application/octet-stream": _FILE}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


_MEDIA_HEADERS = {
    "Accept-Ranges": _header("`bytes`"),
    "ETag": _header("The digest of the file, which never changes."),
    "Content-Disposition": _header("The file's name."),
}
_RANGE_HEADERS = _MEDIA_HEADERS | {"Content-Range": _header("The range and the whole size.")}


Client = Annotated[Principal, Depends(require_scope("jobs"))]


@router.get("/v1/jobs", summary="Jobs, the newest first", responses={200: {"model": JobPage}})
async def list_jobs(
    request: Request,
    principal: Client,
    query: Annotated[JobQuery, Depends(job_filter)],
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """The client's own jobs; all jobs with the scope `admin`."""
    jobs, next_cursor = await get_gateway(request).jobs.list(
        principal, query, limit=limit, cursor=cursor
    )
    return json_response(JobPage([job_document(job) for job in jobs], next_cursor))


@router.get(
    "/v1/jobs/{job_id}",
    summary="One job, with its result where it has one",
    responses={200: {"model": JobDocument}},
)
async def get_job(request: Request, job_id: str, principal: Client) -> Response:
    """Its `state` says whether it has ended; `problem` says why it failed."""
    jobs = get_gateway(request).jobs
    job = await jobs.get(job_id, principal)
    return json_response(job_document(job), raw=raw_result(await jobs.result(job)))


@router.delete(
    "/v1/jobs/{job_id}",
    summary="Cancel a job, or delete one that has ended",
    status_code=204,
    responses={202: {"model": JobDocument}},
)
async def delete_job(request: Request, job_id: str, principal: Client) -> Response:
    """202 and the job where it is cancelled; 204 where it is deleted with its media and result."""
    cancelled = await get_gateway(request).jobs.cancel_or_delete(job_id, principal)
    if cancelled is not None:
        return json_response(job_document(cancelled), 202)
    return Response(status_code=204)


@router.post(
    "/v1/jobs/{job_id}/cancel",
    summary="Cancel a job that has not ended",
    responses={200: {"model": JobDocument}},
)
async def cancel_job(request: Request, job_id: str, principal: Client) -> Response:
    """Returns the job; a running one ends within about a second. It may be repeated: a job that has
    ended stays as it is."""
    return json_response(job_document(await get_gateway(request).jobs.cancel(job_id, principal)))


@router.get(
    "/v1/jobs/{job_id}/events",
    summary="Progress as server-sent events",
    response_class=StreamingResponse,
    responses={
        200: {"content": _EVENTS},
        204: {"description": "The client has received the end: it need not reconnect"},
    },
)
async def watch_job(
    request: Request,
    job_id: str,
    principal: Client,
    last: Annotated[
        str | None,
        Header(alias="Last-Event-ID", description="The `id` of the last event, on reconnecting."),
    ] = None,
) -> Response:
    """`progress` with the job after every change, then `end` with the job and its result
    (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    gateway = get_gateway(request)
    job = await gateway.jobs.get(job_id, principal)  # raises before the stream begins
    if job.state in ENDED and last == _END:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    events = _events(gateway, get_request_scope(request), job_id, principal, last)
    return EventSourceResponse(events, headers=headers)


async def _events(
    gateway: Gateway, scope: RequestScope, job_id: str, principal: Principal, last: str | None
) -> AsyncIterator[bytes]:
    """Yields the events after the one that the client received last.

    A problem ends them: on reconnecting, the client gets it as the response.
    """
    try:
        async for job in gateway.jobs.watch(job_id, principal):
            if gateway.in_flight.closing.is_set():
                return  # the client reconnects to another gateway
            if job is not None and job.state in ENDED:
                yield _event("end", _END, job, await gateway.jobs.result(job))
            elif job is None or str(job.version) == last:
                yield format_sse_event(comment="heartbeat")
            else:
                yield _event("progress", str(job.version), job)
    except Problem as problem:
        scope.problem = problem


def _event(name: str, event_id: str, job: Job, result: bytes | None = None) -> bytes:
    document = to_json(job_document(job), raw_result(result))
    return format_sse_event(event=name, id=event_id, data_str=document.decode())


@router.get(
    "/v1/jobs/{job_id}/windows",
    summary="The windows of a live source so far",
    responses={200: {"model": WindowPage}},
)
async def list_windows(
    request: Request,
    job_id: str,
    principal: Client,
    after: Annotated[int, Query(ge=0, le=10**9, description="The last number seen.")] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """In order, while the job runs and afterwards. A window never changes. An empty list means that
    there is no later window yet."""
    windows = await get_gateway(request).jobs.windows(job_id, principal, after, limit)
    return json_response(WindowPage(windows, windows[-1].number if windows else after))


@router.get(
    "/v1/jobs/{job_id}/gallery/{name}",
    summary="An image of the result",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": _FILE, "image/png": _FILE}}},
)
async def get_gallery_image(
    request: Request, job_id: str, name: str, principal: Client
) -> Response:
    """A keyframe, a film strip, a heatmap or another image that the result links."""
    data = await get_gateway(request).jobs.image(job_id, name, principal)
    headers = {"Cache-Control": "private, max-age=3600"}
    kind = "image/png" if name.endswith(".png") else "image/jpeg"
    return Response(data, media_type=kind, headers=headers)


@router.get(
    "/v1/jobs/{job_id}/media",
    summary="The uploaded media",
    response_class=StreamingResponse,
    responses={
        200: {"content": _MEDIA_TYPES, "headers": _MEDIA_HEADERS},
        206: {
            "description": "The requested range",
            "content": _MEDIA_TYPES,
            "headers": _RANGE_HEADERS,
        },
        304: {"description": "The client's copy is that file"},
    },
)
async def get_media(
    request: Request,
    job_id: str,
    principal: Client,
    requested: Annotated[
        str | None, Header(alias="Range", description="One range of bytes: `bytes=0-1023`.")
    ] = None,
    if_range: Annotated[
        str | None, Header(description="The `ETag` of the file that the range continues.")
    ] = None,
    if_none_match: Annotated[str | None, Header(description="The `ETag` of a copy.")] = None,
) -> Response:
    """Supports a single byte range (RFC 9110, section 14), as players and resumed downloads request
    it."""
    medium = await get_gateway(request).jobs.media(job_id, principal)
    tag = None if medium.digest is None else f'"{medium.digest}"'
    headers = {"Accept-Ranges": "bytes"} | ({} if tag is None else {"ETag": tag})
    if has_tag(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    if if_range not in (None, tag):
        requested = None
    try:
        byte_range = parse_range(requested, medium.size)
    except UnsatisfiableRange:
        request.state.headers = {"Content-Range": f"bytes */{medium.size}"}
        raise
    begin, end = byte_range or (0, medium.size)
    name = quote(medium.name, safe="")
    headers["Content-Length"] = str(end - begin)
    headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    if byte_range:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{medium.size}"
    return StreamingResponse(
        medium.read(begin, end),
        206 if byte_range else 200,
        headers,
        media_type=medium.content_type,
    )
