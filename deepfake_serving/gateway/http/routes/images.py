"""Images: one, now or as a job, or a batch in which a bad image is a problem at its position."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from deepfake_serving.contracts.problems import Internal, InvalidRequest, Problem
from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.gateway.context import (
    cancel_on_disconnect,
    get_gateway,
    get_request_scope,
    request_context,
)
from deepfake_serving.gateway.documents import JobDocument, ProblemDocument
from deepfake_serving.gateway.http.dependencies import count_usage, require_scope
from deepfake_serving.gateway.http.openapi.request_bodies import (
    BATCH_BODY,
    FILENAME,
    IMAGE_BODY,
    PREFER,
    PREFERENCE_APPLIED,
)
from deepfake_serving.gateway.http.preferences import RESPOND_ASYNC, prefers
from deepfake_serving.gateway.http.responses import json_response
from deepfake_serving.gateway.http.routes.submitting import (
    LOCATION,
    IdempotencyKey,
    Webhook,
    accepted,
)
from deepfake_serving.gateway.http.schemas import BatchDocument, BatchItem
from deepfake_serving.gateway.ingest.links import media_link
from deepfake_serving.gateway.ingest.uploads import (
    image_source,
    read_media,
    read_single_medium,
)
from deepfake_serving.gateway.jobs.requests import ImageRequest, RemoteMedia
from deepfake_serving.gateway.upstream import batch
from deepfake_serving.gateway.upstream.relative_boxes import BoxUnit
from deepfake_serving.runtime.serialization import to_json

router = APIRouter(tags=["images"], dependencies=[Depends(require_scope("images"))])

Model = Annotated[str | None, Query(description="The detector; by default the first one served.")]
Boxes = Annotated[
    BoxUnit,
    Query(description="`relative`: boxes and landmarks from 0 to 1, of the image's size."),
]

Explain = Annotated[
    bool, Query(description="Whether faces get a heatmap: where in the face the score comes from.")
]
Preview = Annotated[
    bool,
    Query(description="Whether a copy of the image is returned that every browser shows."),
]
WithProvenance = Annotated[
    bool,
    Query(
        description="Whether content credentials (C2PA) and metadata are read; no score changes.",
    ),
]


def image_request(
    model: Model = None,
    boxes: Boxes = "pixels",
    explain: Explain = False,
    provenance: WithProvenance = False,
    preview: Preview = False,
    webhook: Webhook = None,
    key: IdempotencyKey = None,
) -> ImageRequest:
    """Returns the options in the query and the headers."""
    return ImageRequest(model, boxes, explain, provenance, webhook, key, preview)


@router.post(
    "/v1/images",
    summary="Detect manipulated faces in one image",
    responses={
        200: {"model": ImageVerdict},
        202: {"model": JobDocument, "headers": LOCATION | PREFERENCE_APPLIED},
    },
    openapi_extra={"requestBody": IMAGE_BODY, "parameters": [FILENAME, PREFER]},
)
async def detect_image(
    request: Request, options: Annotated[ImageRequest, Depends(image_request)]
) -> Response:
    """The image is a form's `file`, the body itself, or `{"url": …}`.

    With `Prefer: respond-async` the response is 202 and a job, whose result is the verdict.
    """
    if prefers(request.headers, RESPOND_ASYNC):
        return await _submit(request, options)
    if options.webhook is not None:
        raise InvalidRequest("a webhook is notified of jobs only: send Prefer: respond-async")
    gateway, context = get_gateway(request), request_context(request)
    async with read_media(
        request,
        gateway.fetcher,
        deadline=context.deadline,
        max_files=1,
        max_bytes=gateway.settings.max_image_bytes,
        on_fetched=partial(count_usage, request, "bytes"),
    ) as media:
        (image,) = media
        if isinstance(image, Problem):
            raise image
        name = gateway.upstream.detector(options.model)
        get_request_scope(request).note(model=name, bytes=image.size)
        body = await image.content()
        count_usage(request, "images", 1)
        analysis = gateway.analysis(
            name,
            request.state.principal,
            explain=options.explain,
            provenance=options.provenance,
            boxes=options.boxes,
            preview=options.preview,
        )
        verdict = await cancel_on_disconnect(request, analysis.run(body, context))
    return Response(verdict, media_type="application/json")


async def _submit(request: Request, options: ImageRequest) -> Response:
    """Submits the image as a job. It counts for the usage of its key now, and not once more."""
    gateway, scope = get_gateway(request), get_request_scope(request)
    gateway.disk_space.check()

    def link(url: str) -> RemoteMedia:
        return media_link(url, gateway.fetcher)

    max_bytes = gateway.settings.max_image_bytes
    async with read_single_medium(request, link, max_bytes=max_bytes) as medium:
        job, created = await gateway.submission.submit(
            medium, options, request.state.principal, scope.traceparent
        )
    count_usage(request, "images", int(created))
    scope.note(job=job.id, bytes=job.source.bytes)
    return accepted(job, **{"Preference-Applied": RESPOND_ASYNC})


@router.post(
    "/v1/images/batch",
    summary="Detect manipulated faces in several images",
    responses={200: {"model": BatchDocument}},
    openapi_extra={"requestBody": BATCH_BODY, "parameters": [FILENAME]},
)
async def detect_batch(
    request: Request,
    model: Model = None,
    boxes: Boxes = "pixels",
    explain: Explain = False,
    provenance: WithProvenance = False,
) -> Response:
    """The images are a form's files, or `{"urls": […]}`; results keep their order."""
    gateway, context = get_gateway(request), request_context(request)
    settings = gateway.settings
    async with read_media(
        request,
        gateway.fetcher,
        deadline=context.deadline,
        max_files=settings.max_batch_items,
        max_bytes=settings.max_image_bytes,
        on_fetched=partial(count_usage, request, "bytes"),
    ) as media:
        name = gateway.upstream.detector(model)
        get_request_scope(request).note(model=name, items=len(media))
        images = [image_source(medium) for medium in media]
        count_usage(request, "images", sum(not isinstance(image, Problem) for image in images))
        analysis = gateway.analysis(
            name, request.state.principal, explain=explain, provenance=provenance, boxes=boxes
        )
        detecting = batch.detect_batch(analysis, images, context)
        results = await cancel_on_disconnect(request, detecting)
    count = partial(get_request_scope(request).count_item, metrics=gateway.metrics)
    items = [
        batch_item(count, getattr(medium, "name", None), result, context.for_item(n).id)
        for n, (medium, result) in enumerate(zip(media, results, strict=True))
    ]
    return json_response(BatchDocument(context.id, []), raw={"results": items})


def batch_item(
    count: Callable[[object], None], name: str | None, result: bytes | Problem, item_id: str
) -> bytes:
    """Counts a result; returns its `BatchItem`, with the verdict as the model server wrote it."""
    verdict = _well_formed(result) if isinstance(result, bytes) else result
    count(verdict)
    if isinstance(verdict, Problem):
        return to_json(BatchItem(name, problem=ProblemDocument.of(verdict, item_id)))
    return to_json(BatchItem(name), {"verdict": verdict})


def _well_formed(body: bytes) -> bytes | Problem:
    """Returns the body; malformed JSON, which would spoil the whole response, is a problem."""
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return Internal("a model server's verdict is malformed")
    return body
