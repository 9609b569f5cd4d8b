"""Jobs: their list, one of them, its progress as events, its pictures and its medium."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import StreamingResponse

from deepfake_serving.contracts.jobs import ENDED, State
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.context import gateway_of
from deepfake_serving.gateway.http.dependencies import allow
from deepfake_serving.gateway.http.ranges import asked_range
from deepfake_serving.gateway.http.responses import json_reply
from deepfake_serving.gateway.http.schemas import JobDocument, JobPage, WindowPage
from deepfake_serving.gateway.jobs.document import job_document

router = APIRouter(tags=["jobs"])


def _of(media_type: str, binary: bool = True) -> dict[int | str, dict[str, Any]]:
    """How OpenAPI describes an answer that is no JSON."""
    schema = {"type": "string"} | ({"format": "binary"} if binary else {})
    return {200: {"content": {media_type: {"schema": schema}}}}


Caller = Annotated[Principal, Depends(allow("jobs"))]


@router.get("/v1/jobs", summary="Jobs, the newest first", responses={200: {"model": JobPage}})
async def list_jobs(
    request: Request,
    principal: Caller,
    state: State | None = None,
    kind: Annotated[str | None, Query(max_length=40)] = None,
    q: Annotated[str | None, Query(max_length=200, description="Part of the name or id.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """One's own jobs; all of them with the scope `admin`."""
    jobs, following = await gateway_of(request).jobs.list(
        principal, state=state, kind=kind, text=q, limit=limit, cursor=cursor
    )
    return json_reply({"jobs": [job_document(job) for job in jobs], "next": following})


@router.get(
    "/v1/jobs/{job_id}",
    summary="One job, with its result where it has one",
    responses={200: {"model": JobDocument}},
)
async def get_job(request: Request, job_id: str, principal: Caller) -> Response:
    return json_reply(await gateway_of(request).jobs.document(job_id, principal))


@router.delete(
    "/v1/jobs/{job_id}",
    summary="Cancel a job, or delete one that has ended",
    status_code=204,
    responses={202: {"model": JobDocument}},
)
async def delete_job(request: Request, job_id: str, principal: Caller) -> Response:
    """202 and the job where it was cancelled; 204 where it was deleted with all that it kept."""
    jobs = gateway_of(request).jobs
    job = await jobs.get(job_id, principal)
    if job.state not in ENDED:
        return json_reply(job_document(await jobs.cancel(job_id, principal)), 202)
    await jobs.delete(job_id, principal)
    return Response(status_code=204)


@router.get(
    "/v1/jobs/{job_id}/events",
    summary="Progress as server-sent events",
    response_class=StreamingResponse,
    responses=_of("text/event-stream", binary=False),
)
async def watch_job(request: Request, job_id: str, principal: Caller) -> Response:
    """`progress` with the job after every change, and `end` with the whole of it at last
    (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    gateway = gateway_of(request)
    jobs = gateway.jobs
    await jobs.get(job_id, principal)  # a problem is told before the stream begins

    async def told() -> AsyncIterator[bytes]:
        async for job in jobs.watch(job_id, principal):
            if gateway.draining:
                return  # who watches comes again, elsewhere
            if job is None:
                yield b": still there\n\n"
            elif job.state in ENDED:
                yield _event("end", job.version, await jobs.document(job_id, principal))
            else:
                yield _event("progress", job.version, job_document(job))

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(told(), media_type="text/event-stream", headers=headers)


@router.get(
    "/v1/jobs/{job_id}/windows",
    summary="What was found so far of a live source",
    responses={200: {"model": WindowPage}},
)
async def list_windows(
    request: Request,
    job_id: str,
    principal: Caller,
    after: Annotated[int, Query(ge=0, le=10**9, description="The last number seen.")] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """In order, while the job runs and after. A window never changes; no window is an empty list,
    to be asked for again."""
    jobs = gateway_of(request).jobs
    windows = await jobs.windows(job_id, principal, after, limit)
    last = windows[-1]["number"] if windows else after
    return json_reply({"windows": windows, "next": last})


@router.get(
    "/v1/jobs/{job_id}/gallery/{name}",
    summary="A picture of the result",
    response_class=Response,
    responses=_of("image/jpeg"),
)
async def get_picture(request: Request, job_id: str, name: str, principal: Caller) -> Response:
    data = await gateway_of(request).jobs.picture(job_id, name, principal)
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(data, media_type="image/jpeg", headers=headers)


@router.get(
    "/v1/jobs/{job_id}/media",
    summary="The medium that was sent",
    response_class=StreamingResponse,
    responses=_of("application/octet-stream"),
)
async def get_media(request: Request, job_id: str, principal: Caller) -> Response:
    """One range can be asked for (RFC 9110, section 14), as players do."""
    medium = await gateway_of(request).jobs.medium(job_id, principal)
    asked = asked_range(request.headers.get("Range"), medium.size)
    begin, end = asked or (0, medium.size)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(end - begin)}
    if asked:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{medium.size}"
    status = 206 if asked else 200
    return StreamingResponse(
        medium.read(begin, end), status, headers, media_type=medium.content_type
    )


def _event(name: str, number: int, document: object) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name.encode(), orjson.dumps(document))
